// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/http/message.hpp"

#include <algorithm>

#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/http/limits.hpp"

namespace keystonemail::http {
namespace {

constexpr std::size_t host_octets_max = 255;  // RFC 1035 §2.3.4

// LENIENT: RFC 3986 §3.2.2 would have percent-encoded octets; a name that is in the DNS for us has none.
bool is_host_name(std::string_view host) noexcept {
  const auto is_fine = [](char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '.' || c == '_'; };
  return !host.empty() && host.size() <= host_octets_max && std::ranges::all_of(host, is_fine);
}

}  // namespace

// RFC 3986 §3.2: authority = host [ ":" port ]; port = *DIGIT
std::optional<Authority> Authority::parse(std::string_view text) {
  Authority result;
  std::string_view rest;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    const auto address = IpAddress::parse(text.substr(1, end - 1));
    if (!address || !text.substr(1, end - 1).contains(':')) return std::nullopt;
    result.host = address->to_string();
    rest = text.substr(end + 1);
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    if (!is_host_name(text.substr(0, colon))) return std::nullopt;
    result.host = to_lower(text.substr(0, colon));
    rest = text.substr(colon);
  }
  if (rest.empty()) return result;
  if (rest[0] != ':') return std::nullopt;
  if (rest.size() == 1) return result;  // an empty port is the scheme's
  const auto port = parse_decimal(rest.substr(1), 65'535);
  if (!port || *port == 0 || rest.size() > 6) return std::nullopt;
  result.port = static_cast<std::uint16_t>(*port);
  return result;
}

std::string Authority::to_string() const {
  std::string text = host.contains(':') ? '[' + host + ']' : host;
  if (port) text += ':' + std::to_string(*port);
  return text;
}

bool is_target(std::string_view text) noexcept {
  const auto is_fine = [](char c) { return is_alpha(c) || is_digit(c) || (c != '\0' && std::string_view("-._~!$&'()*+,;=:@/?%").contains(c)); };
  if (!text.starts_with('/') || !std::ranges::all_of(text, is_fine)) return false;
  const auto is_hex = [](char c) { return is_digit(c) || (to_lower(c) >= 'a' && to_lower(c) <= 'f'); };
  for (std::size_t i = text.find('%'); i != std::string_view::npos; i = text.find('%', i + 1)) {
    if (i + 2 >= text.size() || !is_hex(text[i + 1]) || !is_hex(text[i + 2])) return false;
  }
  return true;
}

std::optional<Url> Url::parse(std::string_view text) {
  if (text.size() > limits::url_octets_max) return std::nullopt;
  Url url;
  const std::size_t colon = text.find("://");
  if (colon == std::string_view::npos) return std::nullopt;
  url.scheme = to_lower(text.substr(0, colon));
  if (url.scheme != "https" && url.scheme != "http") return std::nullopt;
  text.remove_prefix(colon + 3);
  const std::size_t end = std::min(text.find_first_of("/?#"), text.size());
  const auto authority = Authority::parse(text.substr(0, end));
  if (!authority) return std::nullopt;
  url.authority = *authority;
  text.remove_prefix(end);
  text = text.substr(0, text.find('#'));
  url.target = text.starts_with('/') ? std::string(text) : '/' + std::string(text);
  if (!is_target(url.target)) return std::nullopt;
  return url;
}

}  // namespace keystonemail::http
