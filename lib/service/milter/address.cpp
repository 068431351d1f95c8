// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/milter/address.hpp"

#include <algorithm>

#include "keystonemail/base/text.hpp"

namespace keystonemail::milter {
namespace {

constexpr std::size_t path_octets_max = 107;  // sockaddr_un::sun_path

constexpr std::size_t host_octets_max = 253;   // RFC 1035 §3.1

// Letters, digits, hyphens and, as containers have them, underscores; the last label is no number.
bool is_host_name(std::string_view text) {
  if (text.empty() || text.size() > host_octets_max || text.front() == '.' || text.front() == '-' || text.find("..") != std::string_view::npos) return false;
  if (text.ends_with('.')) text.remove_suffix(1);
  const std::string_view last = text.substr(text.rfind('.') + 1);
  return std::ranges::all_of(text, [](char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '_' || c == '.'; }) &&
         !std::ranges::all_of(last, is_digit);
}

std::optional<Address> parse_inet(std::string_view text, bool v6) {
  std::string plain(text);
  if (const auto at = text.find('@'); at != std::string_view::npos) {  // port@host
    const std::string host(text.substr(at + 1));
    const bool bare_v6 = host.find(':') != std::string::npos && !host.starts_with('[');
    plain = (bare_v6 ? "[" + host + "]" : host) + ":" + std::string(text.substr(0, at));
  }
  if (istarts_with(plain, "localhost:")) plain.replace(0, 9, v6 ? "[::1]" : "127.0.0.1");
  Address address;
  address.endpoint = Endpoint::parse(plain);
  if (address.endpoint) return address.endpoint->port == 0 ? std::nullopt : std::optional(std::move(address));
  const std::size_t colon = plain.rfind(':');
  if (colon == std::string::npos || !is_host_name(std::string_view(plain).substr(0, colon))) return std::nullopt;
  const auto port = parse_decimal(std::string_view(plain).substr(colon + 1), 65'535);
  if (!port || *port == 0) return std::nullopt;
  address.host = plain.substr(0, colon);
  address.port = static_cast<std::uint16_t>(*port);
  address.v6_only = v6;
  return address;
}

}  // namespace

std::optional<Address> Address::parse(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view kind = text.substr(0, colon), rest = text.substr(colon + 1);
  if (kind == "unix" || kind == "local") {
    if (!rest.starts_with('/') || rest.size() > path_octets_max || rest.find('\0') != std::string_view::npos) return std::nullopt;
    Address address;
    address.path = rest;
    return address;
  }
  if (kind != "inet" && kind != "inet6") return std::nullopt;
  return parse_inet(rest, kind == "inet6");
}

std::string Address::to_string() const {
  if (!host.empty()) return (v6_only ? "inet6:" : "inet:") + host + ":" + std::to_string(port);
  if (!endpoint) return "unix:" + path;
  return (endpoint->address.family() == IpAddress::Family::v6 ? "inet6:" : "inet:") + endpoint->to_string();
}

}  // namespace keystonemail::milter
