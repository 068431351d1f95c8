// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Looking for texts in a message as a reader would see it: encodings, charsets and case undone (RFC 9051 §6.4.4).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/mime/section.hpp"
#include "keystonemail/mime/summary.hpp"

namespace keystonemail::service::imap {

[[nodiscard]] bool contains(std::string_view text, std::string_view needle) noexcept;
// Whether `value`, a header's text as it stands, contains `needle` (folded).
[[nodiscard]] bool header_contains(std::string_view value, std::string_view needle);
// The same for a list of addresses, each as "name <local-part@domain>".
[[nodiscard]] bool addresses_contain(const mime::EnvelopeAddresses& addresses, std::string_view needle);
// Whether the header section has a field of that name (any case) that contains `needle`; empty: has it at all.
[[nodiscard]] bool field_contains(std::string_view header, std::string_view name, std::string_view needle);

// Where a needle may be found.
enum class Haystack : std::uint8_t { body, everything };

// Searches one message for several needles at once, the message coming in pieces.
//
// Ownership: borrows the needles. Memory: a piece, decoded, and the longest needle. Threads: its task's.
class TextScan {
 public:
  struct Needle {
    std::string_view text;               // folded
    Haystack haystack = Haystack::everything;
    bool found = false;
  };

  explicit TextScan(std::vector<Needle> needles);
  void restart() noexcept;               // for the next message
  // Whether there is more to look for in the bodies, or in headers.
  [[nodiscard]] bool done() const noexcept { return missing_ == 0; }
  [[nodiscard]] bool wants_headers() const noexcept;
  [[nodiscard]] const std::vector<Needle>& needles() const noexcept { return needles_; }

  void header(std::string_view section);           // whole
  void begin_body(const mime::SummaryPart& part);  // of a text part
  void body(std::string_view piece);
  void end_body();

 private:
  enum class Source : std::uint8_t { header, body };
  void look(std::string_view folded, Source source);
  void look_at_decoded();

  std::vector<Needle> needles_;
  std::size_t missing_ = 0;
  std::size_t overlap_ = 0;              // octets that a needle may need of the piece before
  std::vector<mime::TextDecoder> decoder_;  // none or one
  std::string decoded_, folded_;
};

}  // namespace keystonemail::service::imap
