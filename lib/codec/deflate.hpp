// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Streams of raw DEFLATE (RFC 1951), octets in, octets out. Private to the library.
//
// Threads: not synchronised. Memory: Deflater 70 KiB, Inflater 40 KiB, whatever passes through.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "keystonemail/base/result.hpp"

namespace keystonemail::codec {

class Deflater {
 public:
  Deflater();
  ~Deflater();
  Deflater(Deflater&&) noexcept;
  Deflater& operator=(Deflater&&) noexcept;

  // Appends to `out` what `octets` compress to, as far as it comes at once; flush() gives the rest.
  void add(std::string_view octets, std::string& out);
  // Appends all that the other side needs to have everything so far (Z_SYNC_FLUSH).
  void flush(std::string& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

class Inflater {
 public:
  Inflater();
  ~Inflater();
  Inflater(Inflater&&) noexcept;
  Inflater& operator=(Inflater&&) noexcept;

  // Appends at most `octets_max` to `out`; says how many of `octets` were used. None used and nothing appended: it wants more
  // input, or the stream has ended. Errors: invalid; and then always.
  [[nodiscard]] Result<std::size_t> inflate(std::string_view octets, std::string& out, std::size_t octets_max);
  [[nodiscard]] bool ended() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace keystonemail::codec
