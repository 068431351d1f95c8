// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/access/login_gate.hpp"

#include <algorithm>
#include <utility>

#include "keystonemail/base/text.hpp"
#include "keystonemail/service/access/connection_limits.hpp"
#include "keystonemail/service/access/network_ladder.hpp"

namespace keystonemail::access {
namespace {

using namespace std::chrono_literals;

constexpr auto delay_step = 1000ms;
constexpr std::uint32_t free_failures = 3;  // typing errors cost no wait
constexpr auto delay_longest = 10'000ms;

// Starts a new window when the old one is over, or lies in the future because the clock was set back.
template <class Duration>
void renew(std::uint32_t& count, WallTime& start, WallTime now, Duration length) {
  if (now - start < length && now >= start) return;
  start = now;
  count = 0;
}

}  // namespace

bool LoginGate::is_trusted(const IpAddress& peer) const noexcept {
  return std::ranges::any_of(options_.trusted, [&](const IpNetwork& network) { return network.contains(peer); });
}

LoginGate::Verdict LoginGate::before(const IpAddress& peer, std::string_view login, WallTime now) {
  const std::lock_guard lock(mutex_);
  if (is_trusted(peer)) return {};
  Verdict verdict;
  for (const Rung& rung : network_ladder) {
    const unsigned bits = rung.bits(peer);
    const auto found = networks_.find({peer.masked(bits), bits});
    if (found == networks_.end()) continue;
    if (now < found->second.banned_until) return {.refused = true, .reason = "network banned"};
    if (&rung == &network_ladder.front() && found->second.minute > free_failures) {
      verdict.delay = std::min<std::chrono::milliseconds>(delay_step * (found->second.minute - free_failures), delay_longest);
      verdict.reason = "repeated failures";
    }
  }
  const auto account = accounts_.find(to_lower(login));
  if (account == accounts_.end()) return verdict;
  AccountCounter& counter = account->second;
  renew(counter.day, counter.day_start, now, 24h);
  if (counter.day < options_.account_failures_per_day_max) return verdict;
  const auto known_end = counter.known.begin() + static_cast<std::ptrdiff_t>(counter.known_count);
  if (std::find(counter.known.begin(), known_end, peer_network(peer)) == known_end) {
    verdict.guessable_refused = true;
    verdict.reason = "account under attack, unknown address";
  }
  return verdict;
}

std::vector<LoginGate::Ban> LoginGate::failed(const IpAddress& peer, std::string_view login, WallTime now) {
  const std::lock_guard lock(mutex_);
  if (is_trusted(peer)) return {};
  make_room(now);
  std::vector<Ban> made;
  for (const Rung& rung : network_ladder) {
    const unsigned bits = rung.bits(peer);
    Counter& counter = networks_[{peer.masked(bits), bits}];
    renew(counter.minute, counter.minute_start, now, 60s);
    renew(counter.day, counter.day_start, now, 24h);
    ++counter.minute;
    ++counter.day;
    if (now < counter.banned_until || (counter.minute <= options_.failures_per_minute_max * rung.factor &&
                                       counter.day <= options_.failures_per_day_max * rung.factor)) {
      continue;
    }
    const auto length = options_.ban_first * (1U << std::min(counter.bans, 16U));
    counter.banned_until = now + std::min<std::chrono::seconds>(length, options_.ban_longest);
    ++counter.bans;
    counter.minute = counter.day = 0;
    made.push_back({{peer.masked(bits), bits}, counter.banned_until, counter.bans});
  }
  AccountCounter& account = accounts_[to_lower(login)];
  renew(account.day, account.day_start, now, 24h);
  ++account.day;
  return made;
}

std::optional<LoginGate::Known> LoginGate::succeeded(const IpAddress& peer, std::string_view login, WallTime now) {
  const std::lock_guard lock(mutex_);
  if (is_trusted(peer)) return std::nullopt;
  make_room(now);
  AccountCounter& account = accounts_[to_lower(login)];
  const IpAddress network = peer_network(peer);
  auto end = account.known.begin() + static_cast<std::ptrdiff_t>(account.known_count);
  auto found = std::find(account.known.begin(), end, network);
  const bool is_new = found == end;
  if (is_new) {
    if (account.known_count < account.known.size()) ++account.known_count;
    found = account.known.begin() + static_cast<std::ptrdiff_t>(account.known_count - 1);
  }
  std::rotate(account.known.begin(), found, found + 1);
  account.known.front() = network;
  if (!is_new) return std::nullopt;
  return Known{to_lower(login), {account.known.begin(), account.known.begin() + static_cast<std::ptrdiff_t>(account.known_count)}};
}

bool LoginGate::is_banned(const IpAddress& peer, WallTime now) const {
  const std::lock_guard lock(mutex_);
  if (is_trusted(peer)) return false;
  return std::ranges::any_of(network_ladder, [&](const Rung& rung) {
    const unsigned bits = rung.bits(peer);
    const auto found = networks_.find({peer.masked(bits), bits});
    return found != networks_.end() && now < found->second.banned_until;
  });
}

std::vector<LoginGate::Ban> LoginGate::bans(WallTime now) const {
  const std::lock_guard lock(mutex_);
  std::vector<Ban> out;
  for (const auto& [key, counter] : networks_) {
    if (now < counter.banned_until) out.push_back({{key.first, key.second}, counter.banned_until, counter.bans});
  }
  return out;
}

std::vector<IpNetwork> LoginGate::unban(const IpAddress& peer) {
  const std::lock_guard lock(mutex_);
  std::vector<IpNetwork> lifted;
  std::erase_if(networks_, [&](const auto& entry) {
    const IpNetwork network{entry.first.first, entry.first.second};
    if (!network.contains(peer) || entry.second.banned_until == WallTime{}) return false;
    lifted.push_back(network);
    return true;
  });
  return lifted;
}

void LoginGate::restore(const std::vector<Ban>& bans) {
  const std::lock_guard lock(mutex_);
  for (const Ban& ban : bans) {
    Counter& counter = networks_[{ban.network.address, ban.network.prefix_bits}];
    counter.banned_until = ban.until;
    counter.bans = ban.count;
  }
}

void LoginGate::restore(const std::vector<Known>& known) {
  const std::lock_guard lock(mutex_);
  for (const Known& one : known) {
    if (accounts_.size() >= options_.entries_max) return;
    AccountCounter& account = accounts_[one.login];
    account.known_count = std::min(one.networks.size(), account.known.size());
    std::copy_n(one.networks.begin(), account.known_count, account.known.begin());
  }
}

void LoginGate::set_trusted(std::vector<IpNetwork> trusted) {
  const std::lock_guard lock(mutex_);
  options_.trusted = std::move(trusted);
}

// Forgets what no longer matters; if that is not enough, whatever is not a ban.
void LoginGate::make_room(WallTime now) {
  if (networks_.size() + network_ladder.size() > options_.entries_max) {
    std::erase_if(networks_, [now](const auto& entry) {
      return now >= entry.second.banned_until && now - entry.second.minute_start > 60s;
    });
    if (networks_.size() + network_ladder.size() > options_.entries_max) {
      std::erase_if(networks_, [now](const auto& entry) { return now >= entry.second.banned_until; });
    }
    if (networks_.size() + network_ladder.size() > options_.entries_max) networks_.erase(networks_.begin());
  }
  if (accounts_.size() >= options_.entries_max) {
    std::erase_if(accounts_, [](const auto& entry) { return entry.second.known_count == 0; });
    if (accounts_.size() >= options_.entries_max) accounts_.erase(accounts_.begin());
  }
}

}  // namespace keystonemail::access
