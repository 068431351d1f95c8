// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// transport: the ports to where connections come from and go to.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/base/task.hpp"
#include "keystonemail/transport/byte_stream.hpp"

namespace keystonemail::transport {

// Serves one connection from its first octet to its last. The context is that of the connection's executor; its
// token is asked to stop when the server begins to drain: finish what is in hand, say good-bye, return. A session
// that is in the middle of something may go on with a context without that token until the grace period is over;
// then its reads and writes fail with `cancelled`.
//
// Threads: called on each executor that listens, so it is shared by all of them and must not hold state unguarded.
using Handler = std::function<Task<void>(std::unique_ptr<ByteStream> stream, Context context)>;

// An address that is being listened on. Destroying it stops accepting; sessions go on.
//
// Threads: that of its executor.
class Listener {
 public:
  virtual ~Listener() = default;
  // The address in use: a port asked for as 0 has its number here.
  [[nodiscard]] virtual const Endpoint& local() const noexcept = 0;
  // Sessions that have been accepted here and have not returned.
  [[nodiscard]] virtual std::size_t connections() const noexcept = 0;
};

// Makes outgoing connections.
//
// Threads: that of its executor, which is the context's.
class Connector {
 public:
  virtual ~Connector() = default;
  // Errors: unavailable (refused, unreachable), timeout, cancelled.
  [[nodiscard]] virtual Task<Result<std::unique_ptr<ByteStream>>> connect(Endpoint to, Context context) = 0;
  // To a Unix socket. Errors: the same; not_found (no socket there), denied; unavailable where there are no such sockets.
  [[nodiscard]] virtual Task<Result<std::unique_ptr<ByteStream>>> connect_path(std::string, Context) {
    co_return fail(ErrorKind::unavailable, {}, "there are no Unix sockets here");
  }
};

}  // namespace keystonemail::transport
