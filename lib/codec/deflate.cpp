// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "codec/deflate.hpp"

#include <zlib.h>

#include <algorithm>
#include <cassert>
#include <climits>
#include <new>
#include <utility>

namespace keystonemail::codec {

namespace {

// What a talkative peer costs: a window of 8 KiB and its tables are 64 KiB; the usual ones would be 256 KiB.
constexpr int deflate_window_bits = 13, deflate_memory_level = 6;
constexpr int inflate_window_bits = 15;  // whatever the peer chose
constexpr std::size_t step_octets = 16U << 10;

// zlib takes its input without const, and does not write to it.
Bytef* bytes_of(const char* octets) noexcept { return reinterpret_cast<Bytef*>(const_cast<char*>(octets)); }

}  // namespace

struct Deflater::State {
  z_stream zlib{};
  State() {
    if (deflateInit2(&zlib, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -deflate_window_bits, deflate_memory_level, Z_DEFAULT_STRATEGY) != Z_OK) {
      throw std::bad_alloc();  // no other argument of it can be wrong
    }
  }
  ~State() { deflateEnd(&zlib); }

  void run(std::string_view octets, int flush, std::string& out) {
    zlib.next_in = bytes_of(octets.data());
    zlib.avail_in = static_cast<uInt>(octets.size());
    do {
      const std::size_t before = out.size();
      out.resize(before + step_octets);
      zlib.next_out = bytes_of(out.data() + before);
      zlib.avail_out = step_octets;
      const int code = deflate(&zlib, flush);
      assert(code == Z_OK || code == Z_BUF_ERROR);  // nothing more to do
      (void)code;
      out.resize(before + step_octets - zlib.avail_out);
    } while (zlib.avail_out == 0);
    assert(zlib.avail_in == 0);
  }
};

Deflater::Deflater() : state_(std::make_unique<State>()) {}
Deflater::~Deflater() = default;
Deflater::Deflater(Deflater&&) noexcept = default;
Deflater& Deflater::operator=(Deflater&&) noexcept = default;

void Deflater::add(std::string_view octets, std::string& out) {
  for (; !octets.empty(); octets.remove_prefix(std::min<std::size_t>(octets.size(), INT_MAX))) {
    state_->run(octets.substr(0, INT_MAX), Z_NO_FLUSH, out);
  }
}

void Deflater::flush(std::string& out) { state_->run({}, Z_SYNC_FLUSH, out); }

struct Inflater::State {
  z_stream zlib{};
  bool ended = false, failed = false;
  State() {
    if (inflateInit2(&zlib, -inflate_window_bits) != Z_OK) throw std::bad_alloc();
  }
  ~State() { inflateEnd(&zlib); }
};

Inflater::Inflater() : state_(std::make_unique<State>()) {}
Inflater::~Inflater() = default;
Inflater::Inflater(Inflater&&) noexcept = default;
Inflater& Inflater::operator=(Inflater&&) noexcept = default;

bool Inflater::ended() const noexcept { return state_->ended; }

Result<std::size_t> Inflater::inflate(std::string_view octets, std::string& out, std::size_t octets_max) {
  State& s = *state_;
  if (s.failed) return fail(ErrorKind::invalid, {}, "deflate: broken before");
  if (s.ended) return std::size_t{0};
  octets = octets.substr(0, INT_MAX);
  const std::size_t before = out.size();
  const std::size_t room = std::min<std::size_t>(octets_max, INT_MAX);
  out.resize(before + room);
  s.zlib.next_in = bytes_of(octets.data());
  s.zlib.avail_in = static_cast<uInt>(octets.size());
  s.zlib.next_out = bytes_of(out.data() + before);
  s.zlib.avail_out = static_cast<uInt>(room);
  const int code = ::inflate(&s.zlib, Z_NO_FLUSH);
  out.resize(before + room - s.zlib.avail_out);
  s.ended = code == Z_STREAM_END;
  if (code == Z_MEM_ERROR) throw std::bad_alloc();
  if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
    s.failed = true;
    return fail(ErrorKind::invalid, {}, "deflate: damaged stream");
  }
  return octets.size() - s.zlib.avail_in;
}

}  // namespace keystonemail::codec
