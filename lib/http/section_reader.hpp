// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// SectionReader: a start line and the fields after it, or trailers, up to the empty line (RFC 9112 §2.1, §5, §7.1.2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "keystonemail/http/fault.hpp"
#include "keystonemail/http/fields.hpp"

namespace keystonemail::http {

enum class Section : std::uint8_t { request, response, trailers };

// Ownership: owns what it reads. Threads: not synchronised. Limits: limits.hpp, before anything is kept.
class SectionReader {
 public:
  explicit SectionReader(Section section) : section_(section) {}

  // Takes octets up to the end of the section, or to a fault.
  [[nodiscard]] std::size_t take(std::string_view octets);
  [[nodiscard]] bool started() const noexcept { return octets_ != 0; }
  [[nodiscard]] bool done() const noexcept { return done_; }
  [[nodiscard]] std::optional<Fault> fault() const noexcept { return fault_; }

  [[nodiscard]] std::string take_start_line() { return std::move(start_line_); }
  [[nodiscard]] Fields take_fields() { return std::move(fields_); }

 private:
  [[nodiscard]] bool fits(std::size_t octets);
  void take_line(std::string_view line);
  void take_start(std::string_view line);
  void take_empty_line();
  void take_field(std::string_view line);
  void unfold(std::string_view line);

  Section section_;
  bool has_start_ = false;
  bool done_ = false;
  std::optional<Fault> fault_;
  std::size_t octets_ = 0;
  std::size_t empty_lines_ = 0;
  std::string line_;         // the part of one that came so far
  std::string start_line_;
  Fields fields_;
};

}  // namespace keystonemail::http
