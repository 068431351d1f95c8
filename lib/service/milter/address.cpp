// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/milter/address.hpp"

#include "keystonemail/base/text.hpp"

namespace keystonemail::milter {
namespace {

constexpr std::size_t path_octets_max = 107;  // sockaddr_un::sun_path

std::optional<Endpoint> parse_endpoint(std::string_view text, bool v6) {
  std::string plain(text);
  if (const auto at = text.find('@'); at != std::string_view::npos) {  // port@host
    const std::string host(text.substr(at + 1));
    const bool bare_v6 = host.find(':') != std::string::npos && !host.starts_with('[');
    plain = (bare_v6 ? "[" + host + "]" : host) + ":" + std::string(text.substr(0, at));
  }
  if (istarts_with(plain, "localhost:")) plain.replace(0, 9, v6 ? "[::1]" : "127.0.0.1");
  auto endpoint = Endpoint::parse(plain);
  if (!endpoint || endpoint->port == 0) return std::nullopt;
  return endpoint;
}

}  // namespace

std::optional<Address> Address::parse(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view kind = text.substr(0, colon), rest = text.substr(colon + 1);
  if (kind == "unix" || kind == "local") {
    if (!rest.starts_with('/') || rest.size() > path_octets_max || rest.find('\0') != std::string_view::npos) return std::nullopt;
    return Address{std::nullopt, std::string(rest)};
  }
  if (kind != "inet" && kind != "inet6") return std::nullopt;
  const auto endpoint = parse_endpoint(rest, kind == "inet6");
  if (!endpoint) return std::nullopt;
  return Address{*endpoint, {}};
}

std::string Address::to_string() const {
  if (!endpoint) return "unix:" + path;
  return (endpoint->address.family() == IpAddress::Family::v6 ? "inet6:" : "inet:") + endpoint->to_string();
}

}  // namespace keystonemail::milter
