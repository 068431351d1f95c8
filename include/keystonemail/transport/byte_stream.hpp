// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// transport: the port to a connection. Services are straight-line coroutines on it, on libuv and in the simulator alike.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/base/task.hpp"

namespace keystonemail::transport {

// A two-way stream of octets.
//
// Threads: the executor it was made for. One read and one write may wait at once.
// Limits: holds at most what one read brought (64 KiB) until it is consumed, and nothing while idle.
class ByteStream {
 public:
  virtual ~ByteStream() = default;  // closes at once, without a word to the peer, if close() was not awaited

  // Waits until there are octets that have not been consumed and returns them; empty at the end of the stream.
  // The view lives until consume() or the next read. When the context is stopped or its deadline passes the
  // error is cancelled or timeout, nothing is lost, and read may be called again. Errors: unavailable (reset).
  [[nodiscard]] virtual Task<Result<std::string_view>> read(Context context) = 0;
  // Drops the first `octets` of what read() returned. REQUIRES: no more than that.
  virtual void consume(std::size_t octets) noexcept = 0;
  // How many octets of what read() returned are left. What is left when TLS is about to start came in the clear.
  [[nodiscard]] virtual std::size_t unconsumed() const noexcept = 0;
  // Hands all pieces to the network, in as few system calls as it can. The pieces must live until it completes.
  // After an error the stream can only be closed.
  [[nodiscard]] virtual Task<Result<void>> write(std::span<const std::string_view> pieces, Context context) = 0;
  // Says good-bye (TLS close_notify, FIN) and closes.
  [[nodiscard]] virtual Task<void> close(Context context) = 0;

  [[nodiscard]] virtual const Endpoint& peer() const noexcept = 0;
  [[nodiscard]] virtual const Endpoint& local() const noexcept = 0;
};

// Convenience for one piece.
[[nodiscard]] inline Task<Result<void>> write_all(ByteStream& stream, std::string_view piece, Context context) {
  co_return co_await stream.write({&piece, 1}, std::move(context));
}

}  // namespace keystonemail::transport
