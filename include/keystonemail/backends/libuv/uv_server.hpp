// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// UvServer: several loops, one a thread, that share every listening port.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

#include "keystonemail/backends/libuv/uv_loop.hpp"

namespace keystonemail::libuv {

struct UvServerOptions {
  std::size_t loops = 0;                // 0: one for each processor
  std::size_t connections_max = 0;      // of all loops together; 0: what the limit on descriptors allows
  std::size_t descriptors_reserved = 128;  // for files and outgoing connections, out of that limit
};

// Threads: listen() before run(); drain() from any; all else on the thread that calls run(), or of its loop.
// Ownership: owns its loops, and its threads while run() lasts.
class UvServer {
 public:
  explicit UvServer(UvServerOptions options = {});
  ~UvServer();

  // Listens on every loop. Returns the address in use. Errors: those of UvLoop::listen.
  [[nodiscard]] Result<Endpoint> listen(ListenOptions options, transport::Handler handler);
  // Runs the first loop here and the others on threads of their own, until drained.
  void run();
  void drain(std::chrono::milliseconds grace);
  // Changes UvServerOptions::connections_max; connections that are there stay.
  void set_connections_max(std::size_t connections_max);

  // The loop of the thread that calls run().
  [[nodiscard]] UvLoop& main_loop() noexcept { return *loops_.front(); }
  [[nodiscard]] std::size_t loops() const noexcept { return loops_.size(); }
  [[nodiscard]] std::size_t connections() const noexcept;
  [[nodiscard]] std::size_t connections_max() const noexcept { return connections_max_; }

 private:
  UvServerOptions options_;
  std::size_t connections_max_;
  std::vector<std::unique_ptr<UvLoop>> loops_;
  std::vector<std::unique_ptr<transport::Listener>> listeners_;
};

}  // namespace keystonemail::libuv
