// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/backends/libuv/uv_server.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <thread>
#include <utility>

#include "backends/libuv/socket.hpp"
#include "base/try.hpp"

namespace keystonemail::libuv {

namespace {

std::size_t descriptors_max() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  return static_cast<std::size_t>(std::min<rlim_t>(limit.rlim_cur, 1 << 20));
}

std::size_t ceiling(const UvServerOptions& options) {
  if (options.connections_max > 0) return options.connections_max;
  const std::size_t all = descriptors_max();
  return all > 2 * options.descriptors_reserved ? all - options.descriptors_reserved : std::max<std::size_t>(all / 2, 1);
}

std::size_t share_of(std::size_t all, std::size_t loops) { return std::max<std::size_t>(all / loops, 1); }

}  // namespace

UvServer::UvServer(UvServerOptions options) : options_(options), connections_max_(ceiling(options)) {
  const std::size_t count = options.loops > 0 ? options.loops : std::max(1u, std::thread::hardware_concurrency());
  for (std::size_t i = 0; i < count; ++i)
    loops_.push_back(std::make_unique<UvLoop>(share_of(connections_max_, count)));
}

void UvServer::set_connections_max(std::size_t connections_max) {
  options_.connections_max = connections_max;
  connections_max_ = ceiling(options_);
  for (const auto& loop : loops_) loop->set_connections_max(share_of(connections_max_, loops_.size()));
}

UvServer::~UvServer() { listeners_.clear(); }

Result<Endpoint> UvServer::listen(ListenOptions options, transport::Handler handler) {
  // Sharing a port also works between processes of one user, and two servers would each get half of the connections.
  // So the first socket is made as if alone, which fails when another server is there.
  if (options.inherited_socket < 0 && options.address.port != 0 && loops_.size() > 1) {
    KM_TRY([[maybe_unused]] const Socket probe, listen_at(options.address, false, 1));
  }
  options.share_port = loops_.size() > 1;
  const std::size_t before = listeners_.size();
  for (const auto& loop : loops_) {
    auto listener = loop->listen(options, handler);
    if (!listener) {
      listeners_.resize(before);
      return std::unexpected(std::move(listener).error());
    }
    options.address.port = (*listener)->local().port;
    listeners_.push_back(*std::move(listener));
  }
  return listeners_.back()->local();
}

void UvServer::run() {
  std::vector<std::jthread> threads;
  for (std::size_t i = 1; i < loops_.size(); ++i) threads.emplace_back([&loop = *loops_[i]] { loop.run(); });
  loops_.front()->run();
}

void UvServer::drain(std::chrono::milliseconds grace) {
  for (const auto& loop : loops_) loop->drain(grace);
}

std::size_t UvServer::connections() const noexcept {
  std::size_t all = 0;
  for (const auto& loop : loops_) all += loop->connections();
  return all;
}

}  // namespace keystonemail::libuv
