// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Conversion of any charset to UTF-8.
//
// Ownership: results are values; a decoder owns its state. Threads: an object is for one thread.
// Errors: none. An unknown charset is read as UTF-8; an invalid sequence gives U+FFFD.
// Limits: output is at most 4 times the input (attack C6), time linear, whatever state a charset keeps.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace keystonemail::codec {

// Whether there is a converter for this name (any case; RFC 2978).
[[nodiscard]] bool is_known_charset(std::string_view charset);

// `text` as valid UTF-8. An empty charset means UTF-8.
[[nodiscard]] std::string to_utf8(std::string_view text, std::string_view charset);
// Appends `text` with what is not UTF-8 replaced by U+FFFD.
void append_valid_utf8(std::string& out, std::string_view text);

// Converts in pieces of any size. The result does not depend on where pieces are cut.
class CharsetDecoder {
 public:
  explicit CharsetDecoder(std::string_view charset);
  CharsetDecoder(CharsetDecoder&&) noexcept;
  CharsetDecoder& operator=(CharsetDecoder&&) noexcept;
  ~CharsetDecoder();

  void append(std::string& out, std::string_view piece);
  // An incomplete sequence at the end gives U+FFFD.
  void finish(std::string& out);

  class Converter;

 private:
  std::unique_ptr<Converter> converter_;
};

}  // namespace keystonemail::codec
