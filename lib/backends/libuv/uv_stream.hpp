// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// UvStream: a connection. libuv polls it only while somebody reads, and a buffer is lent to it only when there are
// octets, so that an idle connection costs its handle and little more.
#pragma once

#include <uv.h>

#include <list>
#include <memory>
#include <optional>
#include <string_view>

#include "backends/libuv/core.hpp"
#include "backends/libuv/socket.hpp"
#include "keystonemail/transport/byte_stream.hpp"
#include "transport/waiter.hpp"

namespace keystonemail::libuv {

// Threads: its loop's.
class UvStream final : public transport::ByteStream {
 public:
  // Takes over a connected socket.
  [[nodiscard]] static Result<std::unique_ptr<UvStream>> adopt(UvLoop::Core& core, Socket socket, const Endpoint& peer);
  [[nodiscard]] static Task<Result<std::unique_ptr<UvStream>>> connect(UvLoop::Core& core, Endpoint to, Context context);
  ~UvStream() override;

  [[nodiscard]] Task<Result<std::string_view>> read(Context context) override;
  void consume(std::size_t octets) noexcept override;
  [[nodiscard]] std::size_t unconsumed() const noexcept override { return end_ - begin_; }
  [[nodiscard]] Task<Result<void>> write(std::span<const std::string_view> pieces, Context context) override;
  [[nodiscard]] Task<void> close(Context context) override;
  [[nodiscard]] const Endpoint& peer() const noexcept override { return peer_; }
  [[nodiscard]] const Endpoint& local() const noexcept override;

  // The grace is over: whatever waits fails with cancelled, and so does every later call.
  void cut_off();

 private:
  struct Handle;
  struct WriteRequest;

  UvStream(UvLoop::Core& core, Handle* handle, const Endpoint& peer);

  [[nodiscard]] uv_stream_t* stream() const noexcept;
  [[nodiscard]] Result<void> check_open() const;
  [[nodiscard]] int start_reading();
  [[nodiscard]] Task<Result<void>> write_rest(std::span<uv_buf_t> rest, Context context);
  [[nodiscard]] Task<void> linger(Context context);
  void close_handle() noexcept;
  void give_back_buffer() noexcept;
  [[nodiscard]] std::string_view view() const noexcept { return {buffer_.get() + begin_, end_ - begin_}; }

  static void on_alloc(uv_handle_t* handle, std::size_t, uv_buf_t* buffer);
  static void on_read(uv_stream_t* stream, ssize_t octets, const uv_buf_t* buffer);

  UvLoop::Core& core_;
  Handle* handle_;                // null once closed; libuv frees it after its last callback
  BufferPool::Buffer buffer_;     // held while there are octets to consume
  std::uint32_t begin_ = 0, end_ = 0;
  int read_status_ = 0;           // UV_EOF, or what the connection failed with
  int write_status_ = 0;
  bool is_reading_ = false;       // libuv polls for input
  bool is_cut_off_ = false;
  Endpoint peer_;
  mutable std::optional<Endpoint> local_;
  transport::Waiter readable_, written_;
  std::list<UvStream*>::iterator place_;
};

}  // namespace keystonemail::libuv
