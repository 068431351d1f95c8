// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/access/connection_limits.hpp"

#include <algorithm>
#include <cassert>

namespace keystonemail::access {
namespace {

using namespace std::chrono_literals;
constexpr auto rate_window = 60s;

}  // namespace

IpAddress peer_network(const IpAddress& peer) noexcept {
  return peer.family() == IpAddress::Family::v4 ? peer : peer.masked(64);
}

bool ConnectionLimits::is_trusted(const IpAddress& peer) const {
  const std::lock_guard lock(mutex_);
  return has_no_ceiling(peer);
}

bool ConnectionLimits::has_no_ceiling(const IpAddress& peer) const noexcept {
  return std::ranges::any_of(options_.trusted, [&](const IpNetwork& network) { return network.contains(peer); });
}

void ConnectionLimits::set_options(ConnectionLimitOptions options) {
  const std::lock_guard lock(mutex_);
  options_ = std::move(options);
}

std::size_t ConnectionLimits::connections() const {
  const std::lock_guard lock(mutex_);
  return total_;
}

Result<ConnectionLimits::Lease> ConnectionLimits::admit(const IpAddress& peer, Instant now) {
  const IpAddress network = peer_network(peer);
  const std::lock_guard lock(mutex_);
  const bool trusted = has_no_ceiling(peer);
  if (total_ >= options_.total_max) return fail(ErrorKind::unavailable, "too many connections, try again later");
  if (trusted) {
    ++total_;
    return Lease([this] {
      const std::lock_guard guard(mutex_);
      --total_;
    });
  }
  if (addresses_.size() >= options_.remembered_addresses_max) forget_idle_addresses(now);
  PerAddress& address = addresses_[network];
  if (now - address.window_start >= rate_window) {
    address.window_start = now;
    address.in_window = 0;
  }
  ++address.in_window;
  if (address.open >= options_.per_address_max) {
    return fail(ErrorKind::unavailable, "too many connections from your address, close some first");
  }
  if (address.in_window > options_.per_address_and_minute_max) {
    return fail(ErrorKind::unavailable, "connecting too often, wait a minute");
  }
  ++address.open;
  ++total_;
  return Lease([this, network] {
    const std::lock_guard guard(mutex_);
    --total_;
    const auto found = addresses_.find(network);
    assert(found != addresses_.end() && found->second.open > 0);  // entries with open connections are never forgotten
    --found->second.open;
  });
}

Result<ConnectionLimits::Lease> ConnectionLimits::admit_login(std::string_view login, const IpAddress& peer) {
  const std::lock_guard lock(mutex_);
  if (has_no_ceiling(peer)) return Lease();
  auto found = logins_.find(login);
  if (found == logins_.end()) found = logins_.emplace(std::string(login), 0).first;
  if (found->second >= options_.per_account_max) {
    return fail(ErrorKind::unavailable, "too many sessions of this account, close some first");
  }
  ++found->second;
  return Lease([this, name = found->first] {
    const std::lock_guard guard(mutex_);
    const auto entry = logins_.find(name);
    assert(entry != logins_.end());
    if (--entry->second == 0) logins_.erase(entry);
  });
}

// Addresses without a connection whose window has passed; if that frees too little, all without a connection.
void ConnectionLimits::forget_idle_addresses(Instant now) {
  std::erase_if(addresses_, [now](const auto& entry) {
    return entry.second.open == 0 && now - entry.second.window_start >= rate_window;
  });
  if (addresses_.size() < options_.remembered_addresses_max) return;
  std::erase_if(addresses_, [](const auto& entry) { return entry.second.open == 0; });
}

}  // namespace keystonemail::access
