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

#include "keystonemail/mime/header.hpp"
#include "keystonemail/mime/section.hpp"
#include "keystonemail/mime/summary.hpp"

namespace keystonemail::service::imap {

[[nodiscard]] bool contains(std::string_view text, std::string_view needle) noexcept;
// A header's text as it stands, decoded and folded; folded needles may be looked for in it.
[[nodiscard]] std::string searchable(std::string_view value);
// The same of a list of addresses, each as "name <local-part@domain>".
[[nodiscard]] std::string searchable(const mime::EnvelopeAddresses& addresses);

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
  [[nodiscard]] std::size_t missing() const noexcept { return missing_; }
  [[nodiscard]] const std::vector<Needle>& needles() const noexcept { return needles_; }

  void field(const mime::Field& field);            // of a header
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
