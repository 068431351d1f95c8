// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/transport/deflate_stream.hpp"

#include <cassert>
#include <utility>

#include "base/try.hpp"
#include "codec/deflate.hpp"

namespace keystonemail::transport {

namespace {

constexpr std::size_t write_step_octets = 64U << 10;  // of compressed octets before they are handed on

}  // namespace

struct DeflateStream::State {
  codec::Deflater deflater;
  codec::Inflater inflater;
  std::string plain;
  std::size_t consumed = 0;   // of plain
  bool more = false;          // the last step stopped for want of room: the inflater may hold more
  std::uint64_t octets_in = 0, octets_out = 0;
};

DeflateStream::DeflateStream(std::unique_ptr<ByteStream> below) : below_(std::move(below)), state_(std::make_unique<State>()) {}
DeflateStream::~DeflateStream() = default;

std::size_t DeflateStream::unconsumed() const noexcept { return state_->plain.size() - state_->consumed; }

void DeflateStream::consume(std::size_t octets) noexcept {
  assert(octets <= unconsumed());
  state_->consumed += octets;
  if (state_->consumed < state_->plain.size()) return;
  state_->plain = {};  // nothing is held while idle
  state_->consumed = 0;
}

// One step of what the stream below has brought.
Result<void> DeflateStream::inflate(std::string_view octets) {
  State& s = *state_;
  KM_TRY(const std::size_t used, s.inflater.inflate(octets, s.plain, limits::inflate_step_octets));
  s.more = s.plain.size() == limits::inflate_step_octets;
  s.octets_in += used;
  s.octets_out += s.plain.size();
  if (used > 0) below_->consume(used);
  if (s.octets_out > limits::inflate_free_octets && s.octets_out / limits::inflate_ratio_max > s.octets_in) {
    return fail(ErrorKind::invalid, {}, "deflate: octets grow too much");
  }
  return {};
}

Task<Result<std::string_view>> DeflateStream::read(Context context) {
  State& s = *state_;
  while (unconsumed() == 0) {
    if (s.inflater.ended()) co_return std::string_view();
    std::string_view octets;
    if (!s.more) {
      KM_CO_TRY(octets, co_await below_->read(context));
      if (octets.empty()) co_return std::string_view();
    } else if (below_->unconsumed() > 0) {
      KM_CO_TRY(octets, co_await below_->read(context));
    }
    KM_CO_CHECK(inflate(octets));
  }
  co_return std::string_view(s.plain).substr(s.consumed);
}

Task<Result<void>> DeflateStream::write(std::span<const std::string_view> pieces, Context context) {
  std::string packed;
  for (std::string_view piece : pieces) {
    while (!piece.empty()) {
      const std::string_view step = piece.substr(0, write_step_octets);
      state_->deflater.add(step, packed);
      piece.remove_prefix(step.size());
      if (packed.size() < write_step_octets) continue;
      KM_CO_CHECK(co_await write_all(*below_, packed, context));
      packed.clear();
    }
  }
  state_->deflater.flush(packed);
  if (packed.empty()) co_return Result<void>();
  co_return co_await write_all(*below_, packed, context);
}

}  // namespace keystonemail::transport
