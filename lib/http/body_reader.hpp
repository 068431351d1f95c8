// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Where a body ends (RFC 9112 §6), and BodyReader, which takes it out of what frames it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "http/section_reader.hpp"
#include "keystonemail/http/fault.hpp"
#include "keystonemail/http/fields.hpp"

namespace keystonemail::http {

struct Framing {
  enum class Kind : std::uint8_t { length, chunked, until_close };
  Kind kind = Kind::length;
  std::uint64_t octets = 0;  // of Kind::length

  [[nodiscard]] bool empty() const noexcept { return kind == Kind::length && octets == 0; }
  [[nodiscard]] std::optional<std::uint64_t> length() const noexcept {
    return kind == Kind::length ? std::optional(octets) : std::nullopt;
  }
};

// RFC 9112 §6.3, without what it leaves to taste: a length twice, or beside a transfer coding, is a fault (attack G1).
[[nodiscard]] std::expected<Framing, Fault> request_framing(const Fields& fields, unsigned minor_version);
// Of a final response to `method`.
[[nodiscard]] std::expected<Framing, Fault> response_framing(const Fields& fields, unsigned minor_version, unsigned status,
                                                             std::string_view method);

// Ownership: owns what it holds. Threads: not synchronised. Limits: one chunk line or trailer section; the body is handed on.
class BodyReader {
 public:
  explicit BodyReader(Framing framing) : framing_(framing), left_(framing.octets), done_(framing.empty()) {}

  // Takes octets up to the end of the body, and appends at most `room` of those that are content to `out`. A body of more
  // than `octets_max` altogether is a fault.
  [[nodiscard]] std::size_t take(std::string_view octets, std::string& out, std::size_t room, std::uint64_t octets_max);
  // The connection ended, properly or not: that is the end of some bodies, and a fault in all others.
  void take_end(bool properly);

  [[nodiscard]] bool done() const noexcept { return done_; }
  [[nodiscard]] std::optional<Fault> fault() const noexcept { return fault_; }
  [[nodiscard]] std::uint64_t received() const noexcept { return received_; }
  [[nodiscard]] const Framing& framing() const noexcept { return framing_; }
  [[nodiscard]] Fields take_trailers() { return trailers_.take_fields(); }

 private:
  enum class State : std::uint8_t { chunk_line, content, content_end, trailers };

  [[nodiscard]] std::size_t take_content(std::string_view octets, std::string& out, std::size_t room);
  [[nodiscard]] std::size_t take_chunk_line(std::string_view octets);
  [[nodiscard]] std::size_t take_content_end(char octet);
  void begin_chunk(std::string_view line);

  Framing framing_;
  State state_ = State::chunk_line;
  std::uint64_t left_;                  // of the chunk, or the body of known length
  std::uint64_t received_ = 0;
  bool done_;
  std::optional<Fault> fault_;
  std::string line_;
  std::size_t extension_octets_ = 0;
  bool has_cr_ = false;                 // of content_end
  SectionReader trailers_{Section::trailers};
};

}  // namespace keystonemail::http
