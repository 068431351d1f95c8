// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/relay/route.hpp"

#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/dns/name.hpp"

namespace keystonemail::relay {

std::string_view to_string(RouteTls tls) noexcept {
  switch (tls) {
    case RouteTls::none: return "none";
    case RouteTls::opportunistic: return "opportunistic";
    case RouteTls::required: return "required";
    case RouteTls::verified: return "verified";
    case RouteTls::implicit: return "implicit";
    case RouteTls::dane: return "dane";
  }
  __builtin_unreachable();
}

std::optional<Route> Route::parse(std::string_view text) {
  Route route;
  if (istarts_with(text, "lmtp:")) {
    route.protocol = smtp::Protocol::lmtp;
    route.port = 24;  // RFC 2033 §5: not 25
    text.remove_prefix(5);
  }
  std::string_view host = text;
  const std::size_t colon = text.rfind(':');
  const bool bracketed = text.starts_with('[');
  if (colon != std::string_view::npos && (!bracketed || text[colon - 1] == ']')) {
    const auto port = parse_decimal(text.substr(colon + 1), 65'535);
    if (!port || *port == 0) return std::nullopt;
    route.port = static_cast<std::uint16_t>(*port);
    host = text.substr(0, colon);
  }
  if (bracketed) {
    if (host.size() < 2 || !host.ends_with(']')) return std::nullopt;
    host = host.substr(1, host.size() - 2);
    if (!IpAddress::parse(host)) return std::nullopt;
  }
  if (const auto address = IpAddress::parse(host)) {
    route.host = address->to_string();
  } else if (const auto name = dns::Name::from_domain(host); name && !name->is_root()) {
    route.host = name->text();
  } else {
    return std::nullopt;
  }
  if (route.port == 465) route.tls = RouteTls::implicit;  // RFC 8314 §7.3
  return route;
}

std::string Route::to_string() const {
  if (host.empty()) return "mx";
  const bool bare_v6 = host.find(':') != std::string::npos;
  return std::string(protocol == smtp::Protocol::lmtp ? "lmtp:" : "") + (bare_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string Route::connection() const {
  return to_string() + " tls=" + std::string(relay::to_string(tls)) + (login ? " as " + login->name : "");
}

const Route& RouteTable::find(std::string_view domain) const {
  if (const auto found = domains.find(domain); found != domains.end()) return found->second;
  for (std::size_t dot = domain.find('.'); dot != std::string_view::npos; dot = domain.find('.', dot + 1)) {
    if (const auto found = domains.find(domain.substr(dot)); found != domains.end()) return found->second;
  }
  return usual;
}

}  // namespace keystonemail::relay
