// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The elements of SUMMARY.md: numbers in base 128, strings with their length before them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace keystonemail::mime {

inline void put_octet(std::string& out, unsigned value) { out.push_back(static_cast<char>(value)); }

inline void put_number(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    put_octet(out, static_cast<unsigned>(value & 0x7f) | 0x80U);
    value >>= 7;
  }
  put_octet(out, static_cast<unsigned>(value));
}

inline void put_signed(std::string& out, std::int64_t value) {
  put_number(out, (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63));
}

inline void put_string(std::string& out, std::string_view text) {
  put_number(out, text.size());
  out += text;
}

// Reads them back. At the end, or at damage, it gives zeros and empty strings and good() is false from then on.
class RecordReader {
 public:
  explicit RecordReader(std::string_view octets) noexcept : rest_(octets) {}

  [[nodiscard]] bool good() const noexcept { return good_; }
  [[nodiscard]] bool at_end() const noexcept { return rest_.empty(); }
  [[nodiscard]] std::string_view rest() const noexcept { return rest_; }

  std::uint8_t octet() noexcept {
    if (rest_.empty()) {
      good_ = false;
      return 0;
    }
    const auto value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }

  std::uint64_t number() noexcept {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::uint8_t next = octet();
      value |= static_cast<std::uint64_t>(next & 0x7f) << shift;
      if (next < 0x80) return value;
    }
    return damaged();
  }

  std::uint32_t number32() noexcept {
    const std::uint64_t value = number();
    return value <= UINT32_MAX ? static_cast<std::uint32_t>(value) : static_cast<std::uint32_t>(damaged());
  }

  std::int64_t signed_number() noexcept {
    const std::uint64_t value = number();
    return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
  }

  std::string_view octets(std::uint64_t count) noexcept {
    if (count > rest_.size()) {
      damaged();
      return {};
    }
    const auto text = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return text;
  }

  std::string_view string() noexcept { return octets(number()); }

 private:
  std::uint64_t damaged() noexcept {
    good_ = false;
    rest_ = {};
    return 0;
  }

  std::string_view rest_;
  bool good_ = true;
};

}  // namespace keystonemail::mime
