// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The heads of requests and responses, and where URLs lead (RFC 9110 §4, RFC 3986).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "keystonemail/http/fields.hpp"

namespace keystonemail::http {

// "mail.example:8443" (RFC 3986 §3.2, without user information).
struct Authority {
  std::string host;                    // lower case; an IPv6 address without its brackets
  std::optional<std::uint16_t> port;

  [[nodiscard]] static std::optional<Authority> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;  // with brackets where they belong
  friend bool operator==(const Authority&, const Authority&) = default;
};

// "https://host:port/path?query"; a fragment is dropped. Limits: limits::url_octets_max.
struct Url {
  std::string scheme;  // "https" or "http"
  Authority authority;
  std::string target;  // path and query, "/" at least

  [[nodiscard]] static std::optional<Url> parse(std::string_view text);
  [[nodiscard]] std::uint16_t port() const noexcept { return authority.port.value_or(scheme == "https" ? 443 : 80); }
  [[nodiscard]] std::string to_string() const { return scheme + "://" + authority.to_string() + target; }
};

struct RequestHead {
  std::string method = "GET";          // a token; its case counts (RFC 9110 §9.1)
  std::string target = "/";            // path and query as sent, or "*"
  Authority authority;                 // of Host, or of an absolute target, which goes before it
  Fields fields;
  unsigned minor_version = 1;          // of HTTP/1.

  [[nodiscard]] std::string_view path() const noexcept { return std::string_view(target).substr(0, target.find('?')); }
  // Without the question mark; empty when there is none.
  [[nodiscard]] std::string_view query() const noexcept {
    const std::size_t mark = target.find('?');
    return mark == std::string::npos ? std::string_view() : std::string_view(target).substr(mark + 1);
  }
};

struct ResponseHead {
  unsigned status = 200;
  Fields fields;
  unsigned minor_version = 1;
};

// What may follow "/" in a request: octets of RFC 3986 §3.3 and §3.4 alone.
[[nodiscard]] bool is_target(std::string_view text) noexcept;

}  // namespace keystonemail::http
