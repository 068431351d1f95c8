// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// transport: DEFLATE over any ByteStream, both ways, from the middle of a session on (RFC 4978).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "keystonemail/transport/byte_stream.hpp"

namespace keystonemail::transport {

namespace limits {
inline constexpr std::uint64_t inflate_free_octets = 1U << 20;  // what may come out before the ratio counts (attack B7)
inline constexpr std::uint64_t inflate_ratio_max = 100;         // octets out for one in, over all that came; text gives 3 to 20
inline constexpr std::size_t inflate_step_octets = 64U << 10;   // of one read
}  // namespace limits

// A ByteStream whose octets travel compressed. What the stream below has brought and nobody has consumed is compressed already.
//
// Ownership: owns the stream below. Threads: those of the stream below.
// Errors: besides those of the stream below, `invalid` when the peer sends no DEFLATE, or octets that grow beyond
//   limits::inflate_ratio_max. Limits: 110 KiB of tables; the plain octets of one read until they are consumed.
class DeflateStream final : public ByteStream {
 public:
  explicit DeflateStream(std::unique_ptr<ByteStream> below);
  ~DeflateStream() override;

  [[nodiscard]] Task<Result<std::string_view>> read(Context context) override;
  void consume(std::size_t octets) noexcept override;
  [[nodiscard]] std::size_t unconsumed() const noexcept override;
  // Every write is flushed: the peer has all of it.
  [[nodiscard]] Task<Result<void>> write(std::span<const std::string_view> pieces, Context context) override;
  [[nodiscard]] Task<void> close(Context context) override { return below_->close(std::move(context)); }
  [[nodiscard]] const Endpoint& peer() const noexcept override { return below_->peer(); }
  [[nodiscard]] const Endpoint& local() const noexcept override { return below_->local(); }

 private:
  struct State;
  [[nodiscard]] Result<void> inflate(std::string_view octets);

  std::unique_ptr<ByteStream> below_;
  std::unique_ptr<State> state_;
};

}  // namespace keystonemail::transport
