// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// milter: where a mail filter listens.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "keystonemail/base/ip_address.hpp"

namespace keystonemail::milter {

// "inet:127.0.0.1:11332", "inet6:[::1]:11332", "inet:rspamd:11332", "unix:/run/filter/socket" ("local:" is the same), and the
// form of libmilter, "inet:11332@127.0.0.1". localhost is 127.0.0.1, or ::1 for inet6; other names are looked up when they
// are connected to, for inet6 their IPv6 addresses alone.
struct Address {
  std::optional<Endpoint> endpoint;
  std::string path;                 // of a Unix socket
  std::string host;                 // a name, with its port; neither endpoint nor path then
  std::uint16_t port = 0;
  bool v6_only = false;

  [[nodiscard]] static std::optional<Address> parse(std::string_view text);
  [[nodiscard]] std::string to_string() const;
  friend auto operator<=>(const Address&, const Address&) = default;
};

}  // namespace keystonemail::milter
