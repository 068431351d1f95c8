// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "server/host_lookup.hpp"

#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/try.hpp"

namespace keystonemail::host {
namespace {

constexpr std::chrono::seconds kept_for{30};

std::optional<IpAddress> address_of(const sockaddr* socket_address) {
  if (socket_address->sa_family == AF_INET) {
    std::array<std::uint8_t, 4> octets{};
    const auto* four = reinterpret_cast<const sockaddr_in*>(socket_address);
    std::copy_n(reinterpret_cast<const std::uint8_t*>(&four->sin_addr), octets.size(), octets.begin());
    return IpAddress::v4(octets);
  }
  if (socket_address->sa_family != AF_INET6) return std::nullopt;
  std::array<std::uint8_t, 16> octets{};
  const auto* six = reinterpret_cast<const sockaddr_in6*>(socket_address);
  std::copy_n(reinterpret_cast<const std::uint8_t*>(&six->sin6_addr), octets.size(), octets.begin());
  return IpAddress::v6(octets);
}

}  // namespace

std::vector<IpAddress> system_addresses(const std::string& host) {
  std::vector<IpAddress> addresses;
  addrinfo* found = nullptr;
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return addresses;
  for (const int family : {AF_INET, AF_INET6})
    for (const addrinfo* one = found; one != nullptr; one = one->ai_next)
      if (const auto address = one->ai_family == family ? address_of(one->ai_addr) : std::nullopt) addresses.push_back(*address);
  ::freeaddrinfo(found);
  return addresses;
}

Task<Result<std::vector<IpAddress>>> HostLookup::find(std::string host, Context context) {
  {
    const std::lock_guard lock(mutex_);
    const auto known = known_.find(host);
    if (known != known_.end() && context.executor->now() < known->second.until) co_return known->second.addresses;
  }
  auto work = [host] { return system_addresses(host); };
  KM_CO_TRY(auto addresses, co_await run_on(workers_, std::move(work), context));
  if (addresses.empty()) co_return fail(ErrorKind::not_found, {}, host + " has no address");
  const std::lock_guard lock(mutex_);
  known_[host] = {addresses, context.executor->now() + kept_for};
  co_return addresses;
}

}  // namespace keystonemail::host
