// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// IP addresses, networks and socket endpoints as values.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace keystonemail {

// An IPv4 or IPv6 address. An IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2) is stored as the IPv4 address it
// stands for, so that "::ffff:127.0.0.1" cannot pass for something else than loopback.
class IpAddress {
 public:
  enum class Family : std::uint8_t { v4, v6 };

  IpAddress() noexcept = default;  // 0.0.0.0
  [[nodiscard]] static IpAddress v4(std::array<std::uint8_t, 4> octets) noexcept;
  [[nodiscard]] static IpAddress v6(const std::array<std::uint8_t, 16>& octets) noexcept;
  // Dotted quad or RFC 4291 §2.2 text, without brackets, port or zone.
  [[nodiscard]] static std::optional<IpAddress> parse(std::string_view text) noexcept;

  [[nodiscard]] Family family() const noexcept { return family_; }
  // In network order: the first 4 octets count for IPv4.
  [[nodiscard]] const std::array<std::uint8_t, 16>& octets() const noexcept { return octets_; }
  // Dotted quad, or RFC 5952 text.
  [[nodiscard]] std::string to_string() const;
  // As an address literal of RFC 5321 §4.1.3, brackets included: "[192.0.2.1]", "[IPv6:2001:db8::1]".
  [[nodiscard]] std::string literal() const;
  [[nodiscard]] bool is_loopback() const noexcept;
  // Not private, of this host or link, for many receivers, or a way round to one that is (RFC 6890, RFC 6052, RFC 3056).
  [[nodiscard]] bool is_public() const noexcept;
  // With all but the first `bits` cleared.
  [[nodiscard]] IpAddress masked(unsigned bits) const noexcept;

  friend auto operator<=>(const IpAddress&, const IpAddress&) = default;

 private:
  Family family_ = Family::v4;
  std::array<std::uint8_t, 16> octets_{};
};

// An address range: "192.0.2.0/24", or one address.
struct IpNetwork {
  IpAddress address;
  unsigned prefix_bits = 0;

  [[nodiscard]] static std::optional<IpNetwork> parse(std::string_view text) noexcept;
  [[nodiscard]] bool contains(const IpAddress& candidate) const noexcept;
  [[nodiscard]] std::string to_string() const;
};

// An address and port: "192.0.2.1:25", "[2001:db8::1]:25".
struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;

  [[nodiscard]] static std::optional<Endpoint> parse(std::string_view text) noexcept;
  [[nodiscard]] std::string to_string() const;
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

}  // namespace keystonemail
