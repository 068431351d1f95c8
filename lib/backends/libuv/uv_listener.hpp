// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// UvListener: accepts connections on one socket and starts a session for each. It accepts by itself rather than by
// uv_listen(), which can neither pause nor be told what to do when the process is out of descriptors.
#pragma once

#include <uv.h>

#include <list>
#include <memory>
#include <string>

#include "backends/libuv/core.hpp"
#include "backends/libuv/socket.hpp"

namespace keystonemail::libuv {

// Threads: its loop's.
class UvListener final : public transport::Listener {
 public:
  UvListener(UvLoop::Core& core, Socket socket, const ListenOptions& options, transport::Handler handler);
  ~UvListener() override;

  [[nodiscard]] const Endpoint& local() const noexcept override { return local_; }
  [[nodiscard]] std::size_t connections() const noexcept override { return shared_->connections; }

  void remove_path_at_end(std::string path) { path_ = std::move(path); }
  // Goes on accepting if it had to pause.
  void resume();
  void stop() noexcept;

 private:
  // Sessions keep what they need of a listener that may be gone before them.
  struct Shared {
    transport::Handler handler;
    std::vector<IpNetwork> proxy_trusted;
    std::chrono::milliseconds proxy_timeout;
    std::size_t connections = 0;
  };
  struct Polled {
    uv_poll_t poll;
    Socket socket;
  };

  void accept_some();
  void pause_for(std::chrono::milliseconds time);
  static Task<void> serve(UvLoop::Core& core, std::shared_ptr<Shared> shared, std::unique_ptr<transport::ByteStream> stream);
  static Task<void> serve_peer(std::shared_ptr<Shared> shared, std::unique_ptr<transport::ByteStream> stream, Context context);

  UvLoop::Core& core_;
  Polled* polled_;  // null once stopped
  Endpoint local_;
  std::shared_ptr<Shared> shared_;
  std::string path_;
  bool is_paused_ = false;
  Executor::TimerId pause_timer_ = Executor::TimerId::none;
  std::list<UvListener*>::iterator place_;
};

}  // namespace keystonemail::libuv
