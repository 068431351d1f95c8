// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Sockets of the operating system, up to the point where libuv takes them over.
#pragma once

#include <sys/socket.h>

#include <string>
#include <utility>

#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/result.hpp"

namespace keystonemail::libuv {

// Owns a descriptor.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int descriptor) noexcept : descriptor_(descriptor) {}
  Socket(Socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~Socket();
  [[nodiscard]] int get() const noexcept { return descriptor_; }
  [[nodiscard]] int release() noexcept { return std::exchange(descriptor_, -1); }

 private:
  int descriptor_ = -1;
};

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t octets = sizeof storage;
  [[nodiscard]] const sockaddr* get() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
};

[[nodiscard]] SocketAddress to_socket_address(const Endpoint& endpoint) noexcept;
// 127.0.0.1:0 for a Unix socket: it is from this machine.
[[nodiscard]] Endpoint to_endpoint(const SocketAddress& address) noexcept;
[[nodiscard]] Endpoint local_endpoint(int descriptor) noexcept;

// Non-blocking and close-on-exec, listening.
[[nodiscard]] Result<Socket> listen_at(const Endpoint& endpoint, bool share_port, int backlog);
[[nodiscard]] Result<Socket> listen_on_duplicate(int descriptor, int backlog);
[[nodiscard]] Result<Socket> listen_at_path(const std::string& path, int backlog);
[[nodiscard]] Result<Socket> connect_to_path(const std::string& path);

}  // namespace keystonemail::libuv
