// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/libuv/uv_stream.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <chrono>
#include <utility>
#include <vector>

#include "base/try.hpp"

namespace keystonemail::libuv {

using transport::Wake;

namespace {

constexpr std::size_t pieces_at_once_max = 64;
constexpr auto linger_time_max = std::chrono::seconds(2);
constexpr std::size_t linger_octets_max = 1 << 20;

uv_buf_t to_buffer(std::string_view piece) noexcept {
  return uv_buf_init(const_cast<char*>(piece.data()), static_cast<unsigned>(piece.size()));
}

// Drops the first `octets` of all buffers together.
std::span<uv_buf_t> drop(std::span<uv_buf_t> buffers, std::size_t octets) noexcept {
  while (!buffers.empty() && octets >= buffers.front().len) {
    octets -= buffers.front().len;
    buffers = buffers.subspan(1);
  }
  if (octets > 0) buffers.front() = uv_buf_init(buffers.front().base + octets, static_cast<unsigned>(buffers.front().len - octets));
  return buffers;
}

}  // namespace

// What libuv holds on to. It outlives its stream until libuv has called back for the last time.
struct UvStream::Handle {
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  };
  UvStream* owner = nullptr;
  static UvStream* owner_of(const void* uv) noexcept { return static_cast<Handle*>(static_cast<const uv_handle_t*>(uv)->data)->owner; }
};

// Lives in the frame of write_rest(), which waits until libuv is done with it.
struct UvStream::WriteRequest {
  uv_write_t request;
  UvStream* stream;
  int status = 0;
  bool finished = false;
};

UvStream::UvStream(UvLoop::Core& core, Handle* handle, const Endpoint& peer)
    : core_(core), handle_(handle), peer_(peer), place_(core.streams.insert(core.streams.end(), this)) {
  handle->owner = this;
}

UvStream::~UvStream() {
  close_handle();
  give_back_buffer();
  core_.streams.erase(place_);
}

uv_stream_t* UvStream::stream() const noexcept { return &handle_->stream; }

Result<std::unique_ptr<UvStream>> UvStream::adopt(UvLoop::Core& core, Socket socket, const Endpoint& peer) {
  auto owned = std::make_unique<Handle>();
  int domain = 0;
  socklen_t octets = sizeof domain;
  (void)getsockopt(socket.get(), SOL_SOCKET, SO_DOMAIN, &domain, &octets);
  const bool is_local = domain == AF_UNIX;
  const int made = is_local ? uv_pipe_init(&core.loop, &owned->pipe, 0) : uv_tcp_init(&core.loop, &owned->tcp);
  if (made != 0) return uv_failure(made, "socket");
  Handle* handle = owned.release();
  handle->handle.data = handle;
  std::unique_ptr<UvStream> stream(new UvStream(core, handle, peer));
  const int opened = is_local ? uv_pipe_open(&handle->pipe, socket.get()) : uv_tcp_open(&handle->tcp, socket.get());
  if (opened != 0) return uv_failure(opened, "socket");
  (void)socket.release();
  return stream;
}

Task<Result<std::unique_ptr<UvStream>>> UvStream::connect(UvLoop::Core& core, Endpoint to, Context context) {
  auto owned = std::make_unique<Handle>();
  if (const int made = uv_tcp_init(&core.loop, &owned->tcp); made != 0) co_return uv_failure(made, "socket");
  Handle* handle = owned.release();
  handle->handle.data = handle;
  std::unique_ptr<UvStream> stream(new UvStream(core, handle, to));
  (void)uv_tcp_nodelay(&handle->tcp, 1);

  struct Attempt {
    uv_connect_t request;
    UvStream* stream;
    int status = 0;
    bool finished = false;
  } attempt{.request = {}, .stream = stream.get()};
  attempt.request.data = &attempt;
  const auto& source = to.address.family() == IpAddress::Family::v4 ? core.source4 : core.source6;
  if (source) {
    const SocketAddress from = to_socket_address({*source, 0});
    if (const int bound = uv_tcp_bind(&handle->tcp, from.get(), 0); bound != 0) co_return uv_failure(bound, "from " + source->to_string());
  }
  const SocketAddress address = to_socket_address(to);
  const int started = uv_tcp_connect(&attempt.request, &handle->tcp, address.get(), [](uv_connect_t* request, int status) {
    auto& done = *static_cast<Attempt*>(request->data);
    done.status = status;
    done.finished = true;
    done.stream->written_.wake();
  });
  if (started != 0) co_return uv_failure(started, to.to_string());
  const Wake wake = co_await stream->written_.wait(std::move(context));
  if (!attempt.finished) {
    stream->close_handle();
    (void)co_await stream->written_.wait({&core.owner});  // libuv gives the request back
    assert(attempt.finished);
    co_return transport::wake_failure(wake == Wake::ready ? Wake::cancelled : wake, to.to_string());
  }
  if (attempt.status != 0) co_return uv_failure(attempt.status, to.to_string());
  co_return std::move(stream);
}

const Endpoint& UvStream::local() const noexcept {
  uv_os_fd_t descriptor = -1;
  if (!local_ && handle_ && uv_fileno(&handle_->handle, &descriptor) == 0) local_ = local_endpoint(descriptor);
  if (!local_) local_.emplace();
  return *local_;
}

Result<void> UvStream::check_open() const {
  if (is_cut_off_) return fail(ErrorKind::cancelled, {}, "the connection was cut off");
  if (!handle_) return fail(ErrorKind::unavailable, {}, "the connection is closed");
  return {};
}

int UvStream::start_reading() {
  if (is_reading_) return 0;
  const int status = uv_read_start(stream(), on_alloc, on_read);
  is_reading_ = status == 0;
  return status;
}

Task<Result<std::string_view>> UvStream::read(Context context) {
  while (unconsumed() == 0) {
    KM_CO_CHECK(check_open());
    if (read_status_ == UV_EOF) co_return std::string_view();
    if (read_status_ != 0) co_return uv_failure(read_status_ == UV_ETIMEDOUT ? UV_ECONNRESET : read_status_, "read");
    if (const int status = start_reading(); status != 0) co_return uv_failure(status, "read");
    if (const Wake wake = co_await readable_.wait(context); wake != Wake::ready)
      co_return transport::wake_failure(wake, "read");
  }
  co_return view();
}

// Polling goes on between reads, as the next one is seldom far: it stops here, the first time that octets come while
// nobody waits. So a talk of requests and replies costs no calls to start and stop, and a flood is left to the kernel.
void UvStream::on_alloc(uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
  UvStream* self = Handle::owner_of(handle);
  if (!self || !self->readable_.waiting() || self->unconsumed() > 0) {
    *buffer = uv_buf_init(nullptr, 0);
    return;
  }
  if (!self->buffer_) self->buffer_ = self->core_.buffers.lend();
  *buffer = uv_buf_init(self->buffer_.get(), BufferPool::buffer_octets);
}

void UvStream::on_read(uv_stream_t* stream, ssize_t octets, const uv_buf_t*) {
  UvStream* self = Handle::owner_of(stream);
  if (!self) return;
  if (octets > 0) {
    self->begin_ = 0;
    self->end_ = static_cast<std::uint32_t>(octets);
    self->readable_.wake();  // may destroy the stream
    return;
  }
  if (self->unconsumed() == 0) self->give_back_buffer();  // else it is still being worked on: more came meanwhile
  if (octets == 0) return;
  (void)uv_read_stop(stream);
  self->is_reading_ = false;
  if (octets == UV_ENOBUFS) return;
  self->read_status_ = static_cast<int>(octets);
  self->readable_.wake();
}

void UvStream::consume(std::size_t octets) noexcept {
  assert(octets <= unconsumed());
  begin_ += static_cast<std::uint32_t>(octets);
  if (begin_ == end_) give_back_buffer();
}

void UvStream::give_back_buffer() noexcept {
  begin_ = end_ = 0;
  core_.buffers.give_back(std::move(buffer_));
}

Task<Result<void>> UvStream::write(std::span<const std::string_view> pieces, Context context) {
  while (!pieces.empty()) {
    KM_CO_CHECK(check_open());
    if (write_status_ != 0) co_return uv_failure(write_status_, "write");
    std::array<uv_buf_t, pieces_at_once_max> few;
    std::size_t count = 0, used = 0;
    for (; used < pieces.size() && count < few.size(); ++used)
      if (!pieces[used].empty()) few[count++] = to_buffer(pieces[used]);
    pieces = pieces.subspan(used);
    std::span<uv_buf_t> rest(few.data(), count);
    while (!rest.empty()) {
      const int written = uv_try_write(stream(), rest.data(), static_cast<unsigned>(rest.size()));
      if (written == UV_EAGAIN) {
        KM_CO_CHECK(co_await write_rest(rest, context));
        break;
      }
      if (written < 0) co_return uv_failure(write_status_ = written, "write");
      rest = drop(rest, static_cast<std::size_t>(written));
    }
  }
  co_return Result<void>();
}

// The socket's buffer is full: libuv writes as the peer reads.
Task<Result<void>> UvStream::write_rest(std::span<uv_buf_t> rest, Context context) {
  WriteRequest writing{.request = {}, .stream = this};
  writing.request.data = &writing;
  const int started = uv_write(&writing.request, stream(), rest.data(), static_cast<unsigned>(rest.size()),
                               [](uv_write_t* request, int status) {
                                 auto& done = *static_cast<WriteRequest*>(request->data);
                                 done.status = status;
                                 done.finished = true;
                                 done.stream->written_.wake();
                               });
  if (started != 0) co_return uv_failure(write_status_ = started, "write");
  const Wake wake = co_await written_.wait(std::move(context));
  if (!writing.finished) {
    // The pieces are ours again only when libuv has let go of them, and half a write cannot be taken back.
    write_status_ = UV_ECANCELED;
    close_handle();
    while (!writing.finished) (void)co_await written_.wait({&core_.owner});
    co_return transport::wake_failure(wake == Wake::ready ? Wake::cancelled : wake, "write");
  }
  if (writing.status != 0) co_return uv_failure(write_status_ = writing.status, "write");
  co_return Result<void>();
}

Task<void> UvStream::close(Context context) {
  if (handle_ && write_status_ == 0 && read_status_ >= UV_EOF && !is_cut_off_) {
    uv_os_fd_t descriptor = -1;
    if (uv_fileno(&handle_->handle, &descriptor) == 0 && ::shutdown(descriptor, SHUT_WR) == 0 && read_status_ == 0)
      co_await linger(std::move(context));
  }
  close_handle();
}

// Closing a socket with octets unread resets it, and the peer may lose the last reply. So what it still says is read
// and dropped until it closes too, for a while.
Task<void> UvStream::linger(Context context) {
  context.deadline = std::min<Instant>(context.deadline, core_.clock.now() + linger_time_max);
  for (std::size_t dropped = 0; dropped < linger_octets_max;) {
    const auto more = co_await read(context);
    if (!more || more->empty()) co_return;
    dropped += more->size();
    consume(more->size());
  }
}

void UvStream::cut_off() {
  is_cut_off_ = true;
  // Each may destroy the stream, so what is to be woken is posted.
  readable_.wake_later(Wake::cancelled);
  written_.wake_later(Wake::cancelled);
}

void UvStream::close_handle() noexcept {
  if (!handle_) return;
  (void)local();  // while it can still be asked
  Handle* handle = std::exchange(handle_, nullptr);
  is_reading_ = false;
  handle->owner = nullptr;
  uv_close(&handle->handle, [](uv_handle_t* closed) { delete static_cast<Handle*>(closed->data); });
}

}  // namespace keystonemail::libuv
