// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/mailstore/notifier.hpp"

#include <algorithm>
#include <utility>

namespace keystonemail::service {

struct Notifier::Subscriber {
  Executor* executor;
  std::function<void(mailstore::ModSeq)> changed;  // used on the executor only
  std::mutex mutex;
  mailstore::ModSeq modseq = 0;                    // guarded by mutex, as are the others
  bool posted = false;
  bool ended = false;
};

struct Notifier::Registry {
  std::mutex mutex;
  std::unordered_multimap<std::uint32_t, std::shared_ptr<Subscriber>> subscribers;  // by account; guarded by mutex
};

namespace {

class RegistrySubscription final : public mailstore::Subscription {
 public:
  RegistrySubscription(std::shared_ptr<Notifier::Registry> registry, std::uint32_t account,
                       std::shared_ptr<Notifier::Subscriber> subscriber)
      : registry_(std::move(registry)), account_(account), subscriber_(std::move(subscriber)) {}
  ~RegistrySubscription() override {
    {
      const std::scoped_lock lock(subscriber_->mutex);
      subscriber_->ended = true;
    }
    const std::scoped_lock lock(registry_->mutex);
    auto [at, end] = registry_->subscribers.equal_range(account_);
    while (at != end && at->second != subscriber_) ++at;
    if (at != end) registry_->subscribers.erase(at);
  }

 private:
  std::shared_ptr<Notifier::Registry> registry_;
  std::uint32_t account_;
  std::shared_ptr<Notifier::Subscriber> subscriber_;
};

void tell(Notifier::Subscriber& subscriber) {
  mailstore::ModSeq modseq = 0;
  {
    const std::scoped_lock lock(subscriber.mutex);
    subscriber.posted = false;
    if (subscriber.ended) return;
    modseq = subscriber.modseq;
  }
  const auto changed = subscriber.changed;  // it may end its own subscription
  changed(modseq);
}

}  // namespace

Notifier::Notifier() : registry_(std::make_shared<Registry>()) {}

std::unique_ptr<mailstore::Subscription> Notifier::subscribe(mailstore::AccountId account, Executor& executor,
                                                             std::function<void(mailstore::ModSeq)> changed) {
  auto subscriber = std::make_shared<Subscriber>();
  subscriber->executor = &executor;
  subscriber->changed = std::move(changed);
  const auto key = static_cast<std::uint32_t>(account);
  {
    const std::scoped_lock lock(registry_->mutex);
    registry_->subscribers.emplace(key, subscriber);
  }
  return std::make_unique<RegistrySubscription>(registry_, key, std::move(subscriber));
}

void Notifier::notify(mailstore::AccountId account, mailstore::ModSeq modseq) {
  std::vector<std::shared_ptr<Subscriber>> due;
  {
    const std::scoped_lock lock(registry_->mutex);
    const auto [begin, end] = registry_->subscribers.equal_range(static_cast<std::uint32_t>(account));
    for (auto at = begin; at != end; ++at) due.push_back(at->second);
  }
  for (auto& subscriber : due) {
    const std::scoped_lock lock(subscriber->mutex);
    subscriber->modseq = std::max(subscriber->modseq, modseq);
    if (subscriber->ended || std::exchange(subscriber->posted, true)) continue;
    subscriber->executor->post([subscriber] { tell(*subscriber); });
  }
}

}  // namespace keystonemail::service
