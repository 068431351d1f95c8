// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The forms in which DKIM and ARC hash a message (RFC 6376 §3.4).
//
// A bare LF is a line end here, as it is for the rest of this library, and is hashed as CRLF (RFC 6376 §5.3); a bare
// CR is an octet like others.
//
// Ownership: a canonicaliser owns its buffer. Threads: functions are pure; an object is for one thread.
// Errors: none: any octets have a canonical form.
// Limits: time linear in the input, memory a constant, whatever the body.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "keystonemail/mime/header.hpp"

namespace keystonemail::mailauth::dkim {

enum class Canonicalization : std::uint8_t { simple, relaxed };

[[nodiscard]] std::string_view to_string(Canonicalization canonicalization) noexcept;

// Appends the field and one CRLF (RFC 6376 §3.4.1, §3.4.2). REQUIRES: `field` is not malformed.
void append_canonical_field(std::string& out, const mime::Field& field, Canonicalization canonicalization);

// BodyCanonicalizer gives the canonical form of a body that comes in pieces of any size (RFC 6376 §3.4.3, §3.4.4).
// What it gives does not depend on where they are cut.
class BodyCanonicalizer {
 public:
  explicit BodyCanonicalizer(Canonicalization canonicalization) noexcept : canonicalization_(canonicalization) {}
  virtual ~BodyCanonicalizer() = default;
  BodyCanonicalizer(const BodyCanonicalizer&) = delete;
  BodyCanonicalizer& operator=(const BodyCanonicalizer&) = delete;

  void append(std::string_view piece);
  // Empty lines at the end are gone, and the last line has its end. REQUIRES: called once, last.
  void finish();

 private:
  // Takes the next octets of the canonical form; the view lives for the call.
  virtual void write(std::string_view canonical) = 0;

  void append_line(std::string_view text);
  void append_relaxed(std::string_view text);
  void release_line_ends();
  void put(std::string_view octets);
  void put(char c);
  void flush();

  Canonicalization canonicalization_;
  bool after_cr_ = false;       // the octet before was CR
  bool blank_due_ = false;      // relaxed: white space was seen, and not given yet
  bool empty_ = true;           // nothing was given
  std::uint64_t line_ends_ = 0; // seen, and not given yet: they may be the last
  std::size_t filled_ = 0;
  std::array<char, 4096> buffer_;
};

}  // namespace keystonemail::mailauth::dkim
