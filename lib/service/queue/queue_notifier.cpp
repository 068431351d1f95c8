// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/queue/queue_notifier.hpp"

#include <algorithm>
#include <utility>

namespace keystonemail::service {

struct KvQueue::Notifier::Subscriber {
  Executor* executor;
  std::function<void(WallTime)> changed;  // used on the executor only
  std::mutex mutex;
  WallTime soonest = WallTime::max();     // guarded by mutex, as are the others
  bool posted = false;
  bool ended = false;
};

namespace {

using Subscriber = KvQueue::Notifier::Subscriber;

class QueueSubscription final : public mailstore::Subscription {
 public:
  QueueSubscription(std::shared_ptr<KvQueue::Notifier> notifier, std::shared_ptr<Subscriber> subscriber)
      : notifier_(std::move(notifier)), subscriber_(std::move(subscriber)) {}
  ~QueueSubscription() override {
    {
      const std::scoped_lock lock(subscriber_->mutex);
      subscriber_->ended = true;
    }
    notifier_->remove(subscriber_.get());
  }

 private:
  std::shared_ptr<KvQueue::Notifier> notifier_;
  std::shared_ptr<Subscriber> subscriber_;
};

void tell(Subscriber& subscriber) {
  WallTime soonest;
  {
    const std::scoped_lock lock(subscriber.mutex);
    subscriber.posted = false;
    if (subscriber.ended) return;
    soonest = std::exchange(subscriber.soonest, WallTime::max());
  }
  const auto changed = subscriber.changed;  // it may end its own subscription
  changed(soonest);
}

}  // namespace

std::unique_ptr<mailstore::Subscription> KvQueue::Notifier::subscribe(std::shared_ptr<Notifier> self, Executor& executor,
                                                                      std::function<void(WallTime)> changed) {
  auto subscriber = std::make_shared<Subscriber>();
  subscriber->executor = &executor;
  subscriber->changed = std::move(changed);
  {
    const std::scoped_lock lock(mutex_);
    subscribers_.push_back(subscriber);
  }
  return std::make_unique<QueueSubscription>(std::move(self), std::move(subscriber));
}

void KvQueue::Notifier::notify(WallTime when) {
  const std::scoped_lock all(mutex_);
  for (auto& subscriber : subscribers_) {
    const std::scoped_lock lock(subscriber->mutex);
    subscriber->soonest = std::min(subscriber->soonest, when);
    if (subscriber->ended || std::exchange(subscriber->posted, true)) continue;
    subscriber->executor->post([subscriber] { tell(*subscriber); });
  }
}

void KvQueue::Notifier::remove(const Subscriber* subscriber) {
  const std::scoped_lock lock(mutex_);
  std::erase_if(subscribers_, [&](const auto& other) { return other.get() == subscriber; });
}

}  // namespace keystonemail::service
