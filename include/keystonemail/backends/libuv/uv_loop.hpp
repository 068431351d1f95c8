// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// UvLoop: an executor with a network, on libuv.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/transport/listener.hpp"

namespace keystonemail::libuv {

struct ListenOptions {
  Endpoint address = {};                 // port 0: a free one; [::] takes IPv4 too
  int inherited_socket = -1;             // listens on a duplicate of this bound socket instead (socket activation)
  bool share_port = false;               // other loops of this process listen on the same port (SO_REUSEPORT)
  int backlog = 1024;
  std::vector<IpNetwork> proxy_trusted = {};  // peers that must begin with a PROXY header, whose word is taken
  std::chrono::milliseconds proxy_timeout{5'000};
};

// UvLoop runs tasks, timers and connections on the thread that calls run().
//
// Threads: post(), stop(), drain() and is_current() from any; before run() all else from the thread that will be
//   joined with the running one, then from the running one. Blocks only in run() and run_until().
// Signals: SIGPIPE is blocked on the threads that make and run it.
// Ownership: outlives its listeners, its streams and every task that lives on it.
// Limits: accepting pauses at `connections_max` accepted connections, and for 100 ms when the process is out of
//   descriptors; peers then wait in the backlog. An idle connection holds no buffer. A loop keeps at most 64 free
//   buffers of 64 KiB.
class UvLoop final : public Executor, public transport::Connector {
 public:
  explicit UvLoop(std::size_t connections_max = SIZE_MAX);
  ~UvLoop() override;

  void post(Work work) override;
  [[nodiscard]] TimerId start_timer(Instant when, Work work) override;
  void cancel_timer(TimerId id) noexcept override;
  [[nodiscard]] bool is_current() const noexcept override;
  [[nodiscard]] Instant now() const noexcept override;
  [[nodiscard]] WallTime wall_now() const noexcept override;

  // Runs until stop(), or until a drain is over.
  void run();
  void stop();
  // Stops listening and asks every session to stop; after `grace` the connections of those that have not are cut off.
  // run() returns when all have ended. A second call can only shorten the grace.
  void drain(std::chrono::milliseconds grace);
  // Runs until `task` is done and returns its value.
  template <class T>
  T run_until(Task<T> task) {
    while (!task.done()) run_some();
    return task.take();
  }
  void run_some();

  // Errors: conflict (address in use), denied (privileged port), unavailable.
  [[nodiscard]] Result<std::unique_ptr<transport::Listener>> listen(const ListenOptions& options,
                                                                    transport::Handler handler);
  [[nodiscard]] Task<Result<std::unique_ptr<transport::ByteStream>>> connect(Endpoint to, Context context) override;
  [[nodiscard]] Task<Result<std::unique_ptr<transport::ByteStream>>> connect_path(std::string path, Context context) override;
  // Where connections come from that are made from now on, for each family; nothing: the system chooses. On the loop's thread.
  void set_source_addresses(std::optional<IpAddress> v4, std::optional<IpAddress> v6);

  // The same on a Unix socket, for the owner alone (mode 0600); a socket that nobody listens on is replaced.
  [[nodiscard]] Result<std::unique_ptr<transport::Listener>> listen_local(const std::string& path,
                                                                          transport::Handler handler);
  // Errors: not_found (no socket there), unavailable (nobody listens), denied.
  [[nodiscard]] Result<std::unique_ptr<transport::ByteStream>> connect_local(const std::string& path);

  // Calls `action` on this loop each time the process gets `signal`. Such a watch does not keep run() going.
  void on_signal(int signal, std::function<void()> action);

  // Changes the ceiling; connections beyond it that are there already stay. Any thread.
  void set_connections_max(std::size_t connections_max);
  // Sessions that were accepted and have not returned; any thread.
  [[nodiscard]] std::size_t connections() const noexcept;
  // The token of those sessions' context.
  [[nodiscard]] std::stop_token stop_token() const noexcept;

  class Core;

 private:
  std::unique_ptr<Core> core_;
};

// What the service manager opened (sd_listen_fds(3)).
struct InheritedSocket {
  int descriptor = -1;
  bool listens = false;  // a stream socket
  Endpoint local;        // in the Internet; else port 0
  std::string name;      // FileDescriptorName=
  std::string address;   // for people: "[::]:25", a path
};

// All that LISTEN_FDS speaks of, made close-on-exec. Empty when the environment is not for this process.
[[nodiscard]] std::vector<InheritedSocket> inherited_sockets();

}  // namespace keystonemail::libuv
