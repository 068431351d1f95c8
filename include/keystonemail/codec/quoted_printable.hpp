// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Quoted-printable (RFC 2045 §6.7).
//
// Ownership: results are values. Threads: functions are pure; an object is for one thread.
// Errors: none: a decoder takes any octets. Limits: time and memory linear; encoded lines of at most 76 characters.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace keystonemail::codec {

// text keeps CRLF and bare LF as line breaks (written as CRLF); binary encodes every CR and LF.
enum class QuotedPrintableMode : std::uint8_t { text, binary };

[[nodiscard]] std::string encode_quoted_printable(std::string_view octets,
                                                  QuotedPrintableMode mode = QuotedPrintableMode::text);
[[nodiscard]] std::string decode_quoted_printable(std::string_view text);

// Decodes in pieces of any size. Blanks before a line end go (§6.7 rule 3), soft line breaks go (rule 5), an '='
// that begins nothing valid stays as it is.
class QuotedPrintableDecoder {
 public:
  void append(std::string& out, std::string_view piece);
  void finish(std::string& out);
  // Whether an '=' began nothing valid.
  [[nodiscard]] bool irregular() const noexcept { return irregular_; }

 private:
  void append_octet(std::string& out, char c);
  void give_up_escape(std::string& out);

  std::string held_;  // an unfinished escape, or blanks that may end a line
  bool irregular_ = false;
};

}  // namespace keystonemail::codec
