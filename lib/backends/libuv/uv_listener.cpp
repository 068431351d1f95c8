// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/libuv/uv_listener.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <new>
#include <utility>

#include "backends/libuv/uv_stream.hpp"
#include "base/try.hpp"
#include "keystonemail/transport/proxy_header.hpp"

namespace keystonemail::libuv {

namespace {

constexpr int accepted_at_once_max = 32;  // then the sessions that are there have their turn
constexpr std::chrono::milliseconds out_of_descriptors_pause{100};

bool is_out_of_resources(int error) noexcept {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

UvListener::UvListener(UvLoop::Core& core, Socket socket, const ListenOptions& options, transport::Handler handler)
    : core_(core),
      polled_(new Polled{.poll = {}, .socket = std::move(socket)}),
      local_(local_endpoint(polled_->socket.get())),
      shared_(std::make_shared<Shared>(std::move(handler), options.proxy_trusted, options.proxy_timeout)),
      place_(core.listeners.insert(core.listeners.end(), this)) {
  const int status = uv_poll_init(&core_.loop, &polled_->poll, polled_->socket.get());
  assert(status == 0);  // fails only for what is no socket
  (void)status;
  polled_->poll.data = this;
  is_paused_ = true;
  resume();
}

UvListener::~UvListener() {
  stop();
  core_.listeners.erase(place_);
}

void UvListener::resume() {
  if (!polled_ || !is_paused_ || pause_timer_ != Executor::TimerId::none || !core_.has_room()) return;
  is_paused_ = false;
  uv_poll_start(&polled_->poll, UV_READABLE, [](uv_poll_t* poll, int, int) {
    static_cast<UvListener*>(poll->data)->accept_some();
  });
}

void UvListener::stop() noexcept {
  core_.timers.cancel(std::exchange(pause_timer_, Executor::TimerId::none));
  if (!polled_) return;
  if (!path_.empty()) (void)unlink(path_.c_str());
  auto* polled = std::exchange(polled_, nullptr);
  polled->poll.data = polled;
  uv_close(reinterpret_cast<uv_handle_t*>(&polled->poll), [](uv_handle_t* h) { delete static_cast<Polled*>(h->data); });
  polled->socket = Socket();  // at once: who connects from now on is refused
}

void UvListener::pause_for(std::chrono::milliseconds time) {
  uv_poll_stop(&polled_->poll);
  is_paused_ = true;
  if (time.count() == 0) return;  // until a session ends
  pause_timer_ = core_.owner.start_timer(core_.clock.now() + time, [this] {
    pause_timer_ = Executor::TimerId::none;
    resume();
  });
}

void UvListener::accept_some() {
  for (int accepted = 0; polled_ && !is_paused_ && accepted < accepted_at_once_max; ++accepted) {
    if (!core_.has_room()) return pause_for({});
    SocketAddress peer;
    Socket socket(accept4(polled_->socket.get(), reinterpret_cast<sockaddr*>(&peer.storage), &peer.octets,
                          SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket.get() < 0) {
      if (is_out_of_resources(errno)) pause_for(out_of_descriptors_pause);
      if (errno == ECONNABORTED || errno == EINTR) continue;
      return;
    }
    auto stream = UvStream::adopt(core_, std::move(socket), to_endpoint(peer));
    if (stream) serve(core_, shared_, *std::move(stream)).detach();
  }
}

Task<void> UvListener::serve(UvLoop::Core& core, std::shared_ptr<Shared> shared,
                             std::unique_ptr<transport::ByteStream> stream) {
  core.session_began();
  ++shared->connections;
  try {
    co_await serve_peer(shared, std::move(stream), {&core.owner, core.stop_source.get_token()});
  } catch (const std::bad_alloc&) {  // one connection is dropped rather than all
  }
  --shared->connections;
  core.session_ended();
}

Task<void> UvListener::serve_peer(std::shared_ptr<Shared> shared, std::unique_ptr<transport::ByteStream> stream,
                                  Context context) {
  const bool through_proxy = std::ranges::any_of(
      shared->proxy_trusted, [&](const IpNetwork& network) { return network.contains(stream->peer().address); });
  if (through_proxy) {
    auto behind = co_await transport::accept_proxy(std::move(stream), context.until(context.executor->now() + shared->proxy_timeout));
    if (!behind) co_return;
    stream = *std::move(behind);
  }
  co_await shared->handler(std::move(stream), std::move(context));
}

Result<std::unique_ptr<transport::Listener>> UvLoop::listen(const ListenOptions& options, transport::Handler handler) {
  Result<Socket> socket = options.inherited_socket >= 0
                              ? listen_on_duplicate(options.inherited_socket, options.backlog)
                              : listen_at(options.address, options.share_port, options.backlog);
  if (!socket) return std::unexpected(std::move(socket).error());
  return std::make_unique<UvListener>(*core_, *std::move(socket), options, std::move(handler));
}

Result<std::unique_ptr<transport::Listener>> UvLoop::listen_local(const std::string& path, transport::Handler handler) {
  KM_TRY(Socket socket, listen_at_path(path, 128));
  auto listener = std::make_unique<UvListener>(*core_, std::move(socket), ListenOptions{}, std::move(handler));
  listener->remove_path_at_end(path);
  return listener;
}

Task<Result<std::unique_ptr<transport::ByteStream>>> UvLoop::connect(Endpoint to, Context context) {
  KM_CO_TRY(auto stream, co_await UvStream::connect(*core_, to, std::move(context)));
  co_return std::move(stream);
}

Task<Result<std::unique_ptr<transport::ByteStream>>> UvLoop::connect_path(std::string path, Context) {
  co_return connect_local(path);  // the kernel answers at once
}

Result<std::unique_ptr<transport::ByteStream>> UvLoop::connect_local(const std::string& path) {
  KM_TRY(Socket socket, connect_to_path(path));
  KM_TRY(auto stream, UvStream::adopt(*core_, std::move(socket), {IpAddress::v4({127, 0, 0, 1}), 0}));
  return stream;
}

}  // namespace keystonemail::libuv
