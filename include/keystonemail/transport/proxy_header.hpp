// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// transport: the PROXY protocol, versions 1 and 2: a load balancer's word on who its client is. It is a claim, so
// it is read only from balancers that are trusted; from anybody else it is ordinary (bad) input.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>
#include <variant>

#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/transport/byte_stream.hpp"

namespace keystonemail::transport {

namespace limits {
inline constexpr std::size_t proxy_v1_octets_max = 107;    // PROXY protocol §2.1, CRLF included
inline constexpr std::size_t proxy_v2_octets_max = 2'048;  // §2.2 allows 64 KiB of extensions; nobody sends them
}  // namespace limits

struct ProxyAddresses {
  Endpoint client;
  Endpoint server;  // the address the client connected to
};

struct ProxyHeader {
  std::size_t octets = 0;                   // length of the header; what follows is the client's
  std::optional<ProxyAddresses> addresses;  // absent: LOCAL, UNKNOWN or not IP; keep the connection's own
};

struct NeedMoreOctets {};
struct NotAProxyHeader {};
using ProxyParse = std::variant<ProxyHeader, NeedMoreOctets, NotAProxyHeader>;

// Looks at the first octets of a connection. The result does not depend on how many follow the header; octets that
// can no longer become one are NotAProxyHeader at once. Linear in its length.
[[nodiscard]] ProxyParse parse_proxy_header(std::string_view octets) noexcept;

// Reads the header that must come first, and returns the stream under the client's address; octets after the header
// stay unread. Errors: invalid (no header, or a bad one; the stream is gone), and those of reading.
[[nodiscard]] Task<Result<std::unique_ptr<ByteStream>>> accept_proxy(std::unique_ptr<ByteStream> stream, Context context);

}  // namespace keystonemail::transport
