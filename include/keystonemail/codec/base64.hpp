// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Base64 (RFC 4648 §4 and §5, RFC 2045 §6.8): strict for protocols, lenient and streaming for mail bodies, and
// exact reproduction of a body from what it decodes to.
//
// Ownership: results are values. Threads: functions are pure; an object is for one thread.
// Errors: std::nullopt for what is not strict base64; lenient decoding never fails.
// Limits: time and memory linear in the input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace keystonemail::codec {

// standard pads with '='; url uses '-' and '_' and does not pad (RFC 7515 §2).
enum class Base64Alphabet : std::uint8_t { standard, url };

[[nodiscard]] std::string encode_base64(std::string_view octets, Base64Alphabet alphabet = Base64Alphabet::standard);
void append_base64(std::string& out, std::string_view octets);  // standard alphabet, one line

// Strict: nothing but the alphabet, exact padding, unused bits zero.
[[nodiscard]] std::optional<std::string> decode_base64(std::string_view text,
                                                       Base64Alphabet alphabet = Base64Alphabet::standard);

// Decodes mail bodies in pieces of any size: characters outside the alphabet are passed over (RFC 2045 §6.8), a
// '=' ends a quantum, and what follows starts another. The result does not depend on where pieces are cut.
class Base64Decoder {
 public:
  void append(std::string& out, std::string_view piece);
  // What is left of a last, unpadded quantum.
  void finish(std::string& out);
  // Whether anything was passed over other than line ends, or the padding was wrong (attack C5).
  [[nodiscard]] bool irregular() const noexcept { return irregular_; }

 private:
  void append_slowly(std::string& out, std::string_view piece);
  void flush(std::string& out);

  std::uint32_t bits_ = 0;
  std::uint8_t characters_ = 0;  // of the current quantum, 0 to 3
  std::uint8_t padding_due_ = 0;
  bool padded_ = false;
  bool irregular_ = false;
};

// How a body was laid out, when lines all have one length and one ending: enough to write it again exactly.
struct Base64Layout {
  enum class LineEnd : std::uint8_t { crlf, lf };

  std::uint32_t line_octets = 0;        // characters in a full line, a multiple of 4; 0: all in one line
  LineEnd line_end = LineEnd::crlf;
  std::uint8_t trailing_line_ends = 0;  // after the last character

  friend bool operator==(const Base64Layout&, const Base64Layout&) = default;
};

struct Base64Body {
  Base64Layout layout;
  std::string octets;  // decoded
};

// Decodes `body` when encode_base64(octets, layout) gives exactly it back; nothing otherwise.
[[nodiscard]] std::optional<Base64Body> decode_base64_body(std::string_view body);

[[nodiscard]] std::string encode_base64(std::string_view octets, const Base64Layout& layout);
// The size of that text without making it.
[[nodiscard]] std::uint64_t encoded_base64_octets(std::uint64_t octets, const Base64Layout& layout) noexcept;

// Writes a body in pieces of any size, from where `column` characters of a line are written already.
class Base64Encoder {
 public:
  explicit Base64Encoder(Base64Layout layout, std::uint32_t column = 0) noexcept : layout_(layout), column_(column) {}
  void append(std::string& out, std::string_view octets);
  void finish(std::string& out);

 private:
  void append_quanta(std::string& out, std::string_view octets);

  Base64Layout layout_;
  std::uint32_t column_;
  std::uint8_t held_ = 0;     // octets in hold_, 0 to 2
  char hold_[3] = {};
};

}  // namespace keystonemail::codec
