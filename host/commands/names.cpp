// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "commands/names.hpp"

#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>

#include "base/try.hpp"
#include "keystonemail/base/text.hpp"

namespace keystonemail::host {
namespace {

constexpr std::uint16_t dns_port = 53;

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

// By the system's own resolver: "localhost", a router's name.
std::optional<IpAddress> look_up_server(const std::string& host) {
  addrinfo* found = nullptr;
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return std::nullopt;
  const auto address = address_of(found->ai_addr);
  ::freeaddrinfo(found);
  return address;
}

Result<Endpoint> parse_server(const std::string& text) {
  if (const auto endpoint = Endpoint::parse(text)) return *endpoint;
  if (const auto address = IpAddress::parse(text)) return Endpoint{*address, dns_port};
  const std::size_t colon = text.rfind(':');
  const auto port = colon == std::string::npos ? std::optional<std::uint64_t>(dns_port) : parse_decimal(text.substr(colon + 1), 65'535);
  const auto address = look_up_server(text.substr(0, colon));
  if (!port || !address) return fail(ErrorKind::invalid, text + " is no DNS server's address");
  return Endpoint{*address, static_cast<std::uint16_t>(*port)};
}

}  // namespace

Result<std::unique_ptr<Names>> Names::open(const std::string& server, unbound::Options options) {
  if (!server.empty()) {
    KM_TRY(const Endpoint endpoint, parse_server(server));
    options.servers = {endpoint};
  }
  std::unique_ptr<Names> out(new Names);
  KM_TRY(out->resolver_, unbound::open_resolver(std::move(options)));
  return out;
}

dns::Answer Names::ask(dns::Question question) {
  const dns::Name name = question.name;
  auto answer = loop_.run_until(resolver_->resolve(std::move(question), Context(&loop_)));
  return answer ? *std::move(answer) : dns::Answer::none(dns::AnswerStatus::timeout, name);
}

}  // namespace keystonemail::host
