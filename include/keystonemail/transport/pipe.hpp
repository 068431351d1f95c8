// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// transport: connections without a network, for a server inside one's own process, for tests and the simulator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "keystonemail/transport/listener.hpp"

namespace keystonemail::transport {

struct PipeOptions {
  Endpoint client{};                  // what the server sees as its peer
  Endpoint server{};                  // what the client sees as its peer
  std::size_t capacity = 64 * 1024;   // octets under way in each direction before a writer waits
};

struct Pipe {
  std::unique_ptr<ByteStream> client;
  std::unique_ptr<ByteStream> server;
};

// Two streams joined back to back.
//
// Threads: both ends live on one executor. Waiting ends are woken by way of its post(), never within the call of
//   the other end. Limits: 2 × capacity octets in each direction.
// Errors: once one end is destroyed without close(), the other's calls fail with unavailable (as a reset would);
//   after close() it reads what is left, then the end, and its writes fail.
[[nodiscard]] Pipe make_pipe(PipeOptions options = {});

// A network of pipes: what listens at an address is what connect() reaches.
//
// Threads: one executor. Ownership: outlives its listeners; borrows nothing from streams.
class PipeNetwork final : public Connector {
 public:
  explicit PipeNetwork(std::size_t capacity = 64 * 1024) : capacity_(capacity) {}
  ~PipeNetwork() override;

  // A port of 0 becomes a free one. Sessions get `context`. Errors: conflict when the address is taken.
  [[nodiscard]] Result<std::unique_ptr<Listener>> listen(Endpoint at, Handler handler, Context context);
  // Connects from 127.0.0.1.
  [[nodiscard]] Task<Result<std::unique_ptr<ByteStream>>> connect(Endpoint to, Context context) override;
  [[nodiscard]] Result<std::unique_ptr<ByteStream>> connect_from(Endpoint from, Endpoint to);

 private:
  class PipeListener;

  std::map<Endpoint, PipeListener*> listeners_;
  std::size_t capacity_;
  std::uint16_t next_port_ = 49'152;  // RFC 6335 §6: dynamic ports
};

}  // namespace keystonemail::transport
