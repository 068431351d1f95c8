// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/milter/connections.hpp"

#include <algorithm>
#include <utility>

#include "base/try.hpp"

namespace keystonemail::milter {

Connections::~Connections() = default;

std::unique_ptr<Link> Connections::take(const Address& to, Executor& on) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find_if(idle_, [&](const Idle& idle) { return idle.on == &on && idle.to == to; });
  if (found == idle_.end()) return nullptr;
  on.cancel_timer(found->timer);
  auto link = std::move(found->link);
  idle_.erase(found);
  link->reused = true;
  link->answered = false;
  return link;
}

Task<Result<std::unique_ptr<Link>>> Connections::open(Address to, ClientOptions options, Context context) {
  transport::Connector* connector = connectors_ ? connectors_(*context.executor) : nullptr;
  if (!connector) co_return fail(ErrorKind::unavailable, {}, "nothing makes connections here");
  KM_CO_TRY(auto stream, co_await connect(*connector, to, context));
  co_return std::make_unique<Link>(std::move(stream), options, context.executor->now());
}

Task<Result<std::unique_ptr<transport::ByteStream>>> Connections::connect(transport::Connector& connector, const Address& to, Context context) {
  if (to.endpoint) co_return co_await connector.connect(*to.endpoint, context);
  if (to.host.empty()) co_return co_await connector.connect_path(to.path, context);
  if (!hosts_) co_return fail(ErrorKind::unavailable, {}, "nothing looks up names here");
  KM_CO_TRY(auto addresses, co_await hosts_(to.host, context));
  if (to.v6_only) std::erase_if(addresses, [](const IpAddress& address) { return address.family() != IpAddress::Family::v6; });
  Result<std::unique_ptr<transport::ByteStream>> stream = fail(ErrorKind::unavailable, {}, to.host + " has no address of that kind");
  for (std::size_t i = 0; i < addresses.size() && !stream; ++i) {
    const Instant now = context.executor->now();
    const auto share = (context.deadline - now) / static_cast<Instant::rep>(addresses.size() - i);
    const Endpoint endpoint{addresses[i], to.port};
    stream = co_await connector.connect(endpoint, context.until(now + share));
  }
  co_return stream;
}

void Connections::keep(const Address& to, Executor& on, std::unique_ptr<Link> link) {
  const std::lock_guard lock(mutex_);
  const auto same = std::ranges::count_if(idle_, [&](const Idle& idle) { return idle.on == &on && idle.to == to; });
  if (static_cast<std::size_t>(same) >= options_.idle_links_max) return;
  const std::uint64_t number = ++last_number_;
  const auto timer = on.start_timer(on.now() + options_.idle_max, [this, number] { drop(number); });
  idle_.push_back({to, &on, std::move(link), timer, number});
}

void Connections::drop(std::uint64_t number) {
  std::unique_ptr<Link> dropped;  // outside of the lock
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(idle_, number, &Idle::number);
  if (found == idle_.end()) return;
  dropped = std::move(found->link);
  idle_.erase(found);
}

std::size_t Connections::waiting() const {
  const std::lock_guard lock(mutex_);
  return idle_.size();
}

}  // namespace keystonemail::milter
