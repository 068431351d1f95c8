// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/libuv/socket.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "backends/libuv/core.hpp"
#include "base/try.hpp"
#include "keystonemail/base/text.hpp"

namespace keystonemail::libuv {

namespace {

void set_option(int descriptor, int level, int option, int value) noexcept {
  (void)setsockopt(descriptor, level, option, &value, sizeof value);
}

Result<Socket> bound(const Endpoint& endpoint, bool share_port) {
  const SocketAddress address = to_socket_address(endpoint);
  Socket socket(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) return uv_failure(-errno, "socket");
  set_option(socket.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (share_port) set_option(socket.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  if (address.storage.ss_family == AF_INET6) set_option(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, 0);
  if (::bind(socket.get(), address.get(), address.octets) != 0) return uv_failure(-errno, endpoint.to_string());
  return socket;
}

// Accepted sockets inherit these, which saves the calls for each connection.
Result<Socket> listening(Socket socket, int backlog, std::string_view where) {
  set_option(socket.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(socket.get(), SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(socket.get(), IPPROTO_TCP, TCP_KEEPIDLE, 300);
  set_option(socket.get(), IPPROTO_TCP, TCP_KEEPINTVL, 60);
  if (::listen(socket.get(), backlog) != 0) return uv_failure(-errno, where);
  return socket;
}

Result<sockaddr_un> local_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return fail(ErrorKind::too_large, "socket path too long", path);
  std::ranges::copy(path, address.sun_path);
  return address;
}

}  // namespace

Socket::~Socket() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

SocketAddress to_socket_address(const Endpoint& endpoint) noexcept {
  SocketAddress out;
  const auto& octets = endpoint.address.octets();
  if (endpoint.address.family() == IpAddress::Family::v4) {
    auto& in = reinterpret_cast<sockaddr_in&>(out.storage);
    in.sin_family = AF_INET;
    in.sin_port = htons(endpoint.port);
    std::memcpy(&in.sin_addr, octets.data(), 4);
    out.octets = sizeof in;
  } else {
    auto& in = reinterpret_cast<sockaddr_in6&>(out.storage);
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(endpoint.port);
    std::memcpy(&in.sin6_addr, octets.data(), 16);
    out.octets = sizeof in;
  }
  return out;
}

Endpoint to_endpoint(const SocketAddress& address) noexcept {
  if (address.storage.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address.storage);
    std::array<std::uint8_t, 4> octets;
    std::memcpy(octets.data(), &in.sin_addr, 4);
    return {IpAddress::v4(octets), ntohs(in.sin_port)};
  }
  if (address.storage.ss_family == AF_INET6) {
    const auto& in = reinterpret_cast<const sockaddr_in6&>(address.storage);
    std::array<std::uint8_t, 16> octets;
    std::memcpy(octets.data(), &in.sin6_addr, 16);
    return {IpAddress::v6(octets), ntohs(in.sin6_port)};
  }
  return {IpAddress::v4({127, 0, 0, 1}), 0};
}

Endpoint local_endpoint(int descriptor) noexcept {
  SocketAddress address;
  if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&address.storage), &address.octets) != 0) return {};
  return to_endpoint(address);
}

Result<Socket> listen_at(const Endpoint& endpoint, bool share_port, int backlog) {
  KM_TRY(Socket socket, bound(endpoint, share_port));
  return listening(std::move(socket), backlog, endpoint.to_string());
}

Result<Socket> listen_on_duplicate(int descriptor, int backlog) {
  Socket socket(fcntl(descriptor, F_DUPFD_CLOEXEC, 3));
  if (socket.get() < 0) return uv_failure(-errno, "inherited socket");
  const int flags = fcntl(socket.get(), F_GETFL);
  if (flags < 0 || fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK) != 0) return uv_failure(-errno, "inherited socket");
  return listening(std::move(socket), backlog, "inherited socket");
}

Result<Socket> listen_at_path(const std::string& path, int backlog) {
  KM_TRY(const sockaddr_un address, local_address(path));
  Socket socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) return uv_failure(-errno, "socket");
  if (connect_to_path(path)) return fail(ErrorKind::conflict, "another server listens there", path);
  struct stat info;
  if (lstat(path.c_str(), &info) == 0 && S_ISSOCK(info.st_mode)) (void)unlink(path.c_str());
  // The mode of the descriptor is what bind() gives the file, so there is no moment when others may connect.
  (void)fchmod(socket.get(), 0600);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return uv_failure(-errno, path);
  if (chmod(path.c_str(), 0600) != 0 || ::listen(socket.get(), backlog) != 0) return uv_failure(-errno, path);
  return socket;
}

Result<Socket> connect_to_path(const std::string& path) {
  KM_TRY(const sockaddr_un address, local_address(path));
  Socket socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) return uv_failure(-errno, "socket");
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return uv_failure(-errno, path);
  return socket;
}

namespace {

std::string local_path(int descriptor) {
  sockaddr_un address{};
  socklen_t octets = sizeof address;
  const bool is_path = getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &octets) == 0 && address.sun_family == AF_UNIX && address.sun_path[0] == '/';
  return is_path ? std::string(address.sun_path, strnlen(address.sun_path, sizeof address.sun_path)) : "descriptor " + std::to_string(descriptor);
}

}  // namespace

std::vector<InheritedSocket> inherited_sockets() {
  constexpr int first_descriptor = 3;  // SD_LISTEN_FDS_START
  const char* pid = std::getenv("LISTEN_PID");
  const char* count = std::getenv("LISTEN_FDS");
  if (!pid || !count || parse_decimal(pid) != static_cast<std::uint64_t>(getpid())) return {};
  const char* names = std::getenv("LISTEN_FDNAMES");
  std::string_view left = names ? names : "";
  std::vector<InheritedSocket> sockets;
  const auto descriptors = static_cast<int>(parse_decimal(count, 1'000).value_or(0));
  for (int fd = first_descriptor; fd < first_descriptor + descriptors; ++fd) {
    const std::size_t end = std::min(left.find(':'), left.size());
    int is_listening = 0;
    socklen_t octets = sizeof is_listening;
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    InheritedSocket& socket = sockets.emplace_back(InheritedSocket{.descriptor = fd, .name = std::string(left.substr(0, end))});
    socket.listens = getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &octets) == 0 && is_listening;
    socket.local = local_endpoint(fd);
    socket.address = socket.local.port != 0 ? socket.local.to_string() : local_path(fd);
    left.remove_prefix(std::min(end + 1, left.size()));
  }
  return sockets;
}

}  // namespace keystonemail::libuv
