// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Stored records: a flat run of fields, numbers as LEB128 varints or fixed big-endian, text with its length before
// it. Private to the library. Reading is total: damage is an `ok() == false`, never a crash or an over-read.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace keystonemail {

class RecordWriter {
 public:
  RecordWriter& octet(std::uint8_t value) { out_.push_back(static_cast<char>(value)); return *this; }
  RecordWriter& number(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) octet(static_cast<std::uint8_t>(value | 0x80));
    return octet(static_cast<std::uint8_t>(value));
  }
  RecordWriter& text(std::string_view value) {
    number(value.size());
    out_.append(value);
    return *this;
  }
  [[nodiscard]] std::string take() { return std::move(out_); }
  [[nodiscard]] std::string_view view() const noexcept { return out_; }

 private:
  std::string out_;
};

class RecordReader {
 public:
  explicit RecordReader(std::string_view record) noexcept : rest_(record) {}

  [[nodiscard]] std::uint8_t octet() noexcept {
    if (rest_.empty()) return broken();
    const auto value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }
  [[nodiscard]] std::uint64_t number() noexcept {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const std::uint8_t part = octet();
      value |= static_cast<std::uint64_t>(part & 0x7f) << shift;
      if (part < 0x80) return value;
    }
    return broken();
  }
  [[nodiscard]] std::string_view text() noexcept {
    const std::uint64_t length = number();
    if (length > rest_.size()) {
      broken();
      return {};
    }
    const auto value = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return value;
  }
  // Whether all reads so far found their field.
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] bool at_end() const noexcept { return rest_.empty(); }

 private:
  std::uint8_t broken() noexcept {
    ok_ = false;
    rest_ = {};
    return 0;
  }
  std::string_view rest_;
  bool ok_ = true;
};

// Fixed-width big-endian numbers order as keys the way they order as numbers.
inline void append_big_endian(std::string& out, std::uint64_t value, unsigned octets) {
  while (octets-- > 0) out.push_back(static_cast<char>(value >> (octets * 8)));
}
[[nodiscard]] inline std::uint64_t read_big_endian(std::string_view octets) noexcept {
  std::uint64_t value = 0;
  for (const char c : octets) value = value << 8 | static_cast<std::uint8_t>(c);
  return value;
}

}  // namespace keystonemail
