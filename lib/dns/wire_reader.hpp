// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// WireReader: the fields of a DNS message, one after the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "keystonemail/dns/name.hpp"

namespace keystonemail::dns {

// Reads from `offset` up to `end` of `message`. Names may point back to anywhere before themselves (RFC 1035 §4.1.4).
//
// Ownership: borrows the message. Errors: std::nullopt beyond the end; the reader is then of no further use.
class WireReader {
 public:
  // REQUIRES: offset <= end <= message.size().
  WireReader(std::string_view message, std::size_t offset, std::size_t end) noexcept;

  [[nodiscard]] std::optional<std::uint8_t> u8() noexcept;
  [[nodiscard]] std::optional<std::uint16_t> u16() noexcept;
  [[nodiscard]] std::optional<std::uint32_t> u32() noexcept;
  [[nodiscard]] std::optional<std::string_view> octets(std::size_t count) noexcept;
  [[nodiscard]] std::optional<std::string_view> character_string() noexcept;  // RFC 1035 §3.3
  [[nodiscard]] std::optional<Name> name();
  [[nodiscard]] std::string_view rest() noexcept;

  [[nodiscard]] std::size_t offset() const noexcept { return offset_; }
  [[nodiscard]] bool at_end() const noexcept { return offset_ == end_; }

 private:
  std::string_view message_;
  std::size_t offset_;
  std::size_t end_;
};

}  // namespace keystonemail::dns
