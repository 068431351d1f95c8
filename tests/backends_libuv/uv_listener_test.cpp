// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <doctest/doctest.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <thread>
#include <vector>

#include "backends_libuv/support.hpp"
#include "keystonemail/backends/libuv/uv_server.hpp"

using namespace keystonemail;
using namespace keystonemail::libuv;
using namespace keystonemail::test;
using namespace keystonemail::transport;
using namespace std::chrono_literals;

namespace {

// A plain socket connected to `port` on the loopback interface.
int plain_client(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) return -1;
  return fd;
}

bool echoes(int fd) {
  char back = 0;
  return ::send(fd, "x", 1, MSG_NOSIGNAL) == 1 && ::recv(fd, &back, 1, 0) == 1 && back == 'x';
}

std::chrono::nanoseconds cpu_time() {
  timespec spent{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
  return std::chrono::seconds(spent.tv_sec) + std::chrono::nanoseconds(spent.tv_nsec);
}

}  // namespace

TEST_CASE("uv server: 1,000 connections over two loops are all served, and idle ones hold next to nothing") {
  UvServer server({.loops = 2});
  const Endpoint at = server.listen({.address = any_port}, echo).value();
  std::thread running([&] { server.run(); });
  constexpr std::size_t count = 1'000;
  std::vector<int> clients{plain_client(at.port)};
  CHECK(echoes(clients.front()));
  const auto before = mallinfo2();
  for (std::size_t i = 1; i < count; ++i) clients.push_back(plain_client(at.port));
  std::size_t served = 0;
  for (const int fd : clients) served += echoes(fd);
  CHECK(served == count);
  CHECK(server.connections() == count);
  const auto after = mallinfo2();
  if (after.uordblks > before.uordblks) {  // sanitizers keep their own books
    const std::size_t each = (after.uordblks - before.uordblks) / (count - 1);
    MESSAGE("octets of heap per idle connection, coroutines included: " << each);
    CHECK(each < 4'096);
  }
  for (const int fd : clients) ::close(fd);
  server.drain(5s);
  running.join();
  CHECK(server.connections() == 0);
}

TEST_CASE("uv server: a port that another server has is refused, although ports are shared between loops") {
  UvServer first({.loops = 2}), second({.loops = 2});
  const Endpoint at = first.listen({.address = any_port}, echo).value();
  CHECK(second.listen({.address = at}, echo).error().kind() == ErrorKind::conflict);
}

TEST_CASE("uv server: draining lets a session finish and cuts off the one that does not") {
  for (const bool obeys : {true, false}) {
    CAPTURE(obeys);
    UvServer server({.loops = 1});
    ErrorKind ended = ErrorKind::internal;
    const Endpoint at = server.listen({.address = any_port}, [&](std::unique_ptr<ByteStream> stream, Context context) -> Task<void> {
      auto got = co_await stream->read(context);
      if (!got && !obeys) got = co_await stream->read({context.executor});
      if (!got) ended = got.error().kind();
      if (obeys) (void)co_await write_all(*stream, "421 bye\r\n", {context.executor});
      co_await stream->close({context.executor});
    }).value();
    std::thread running([&] { server.run(); });
    const int fd = plain_client(at.port);
    while (server.connections() == 0) std::this_thread::sleep_for(1ms);
    const auto start = std::chrono::steady_clock::now();
    server.drain(obeys ? 60'000ms : 50ms);
    char reply[20] = {};
    const auto octets = ::recv(fd, reply, sizeof reply, 0);
    CHECK(std::string_view(reply, octets > 0 ? static_cast<std::size_t>(octets) : 0) == (obeys ? "421 bye\r\n" : ""));
    ::close(fd);
    running.join();
    CHECK(ended == ErrorKind::cancelled);
    CHECK(std::chrono::steady_clock::now() - start < 20s);
    CHECK(plain_client(at.port) == -1);
  }
}

TEST_CASE("uv server: at its ceiling it leaves connections in the backlog until there is room") {
  UvServer server({.loops = 1, .connections_max = 2});
  const Endpoint at = server.listen({.address = any_port}, echo).value();
  std::thread running([&] { server.run(); });
  std::vector<int> clients;
  for (int i = 0; i < 5; ++i) clients.push_back(plain_client(at.port));
  CHECK(echoes(clients[0]));
  CHECK(echoes(clients[1]));
  CHECK(server.connections() == 2);
  ::send(clients[2], "x", 1, 0);
  char back = 0;
  CHECK(::recv(clients[2], &back, 1, MSG_DONTWAIT) == -1);
  ::close(clients[0]);
  CHECK(::recv(clients[2], &back, 1, 0) == 1);
  for (std::size_t i = 1; i < clients.size(); ++i) ::close(clients[i]);
  server.drain(5s);
  running.join();
}

TEST_CASE("uv server: its ceiling can be raised while connections wait for it") {
  UvServer server({.loops = 1, .connections_max = 1});
  const Endpoint at = server.listen({.address = any_port}, echo).value();
  std::thread running([&] { server.run(); });
  const int first = plain_client(at.port), second = plain_client(at.port);
  CHECK(echoes(first));
  ::send(second, "x", 1, 0);
  char back = 0;
  CHECK(::recv(second, &back, 1, MSG_DONTWAIT) == -1);
  server.main_loop().post([&server] { server.set_connections_max(2); });
  CHECK(::recv(second, &back, 1, 0) == 1);
  ::close(first);
  ::close(second);
  server.drain(5s);
  running.join();
}

TEST_CASE("uv server: a process out of descriptors neither spins nor dies, and serves on when there are some") {
  // In a child, as the limit is the process's.
  const pid_t child = fork();
  if (child == 0) {
    UvServer server({.loops = 1, .connections_max = 1'000});
    const Endpoint at = server.listen({.address = any_port}, echo).value();
    std::thread running([&] { server.run(); });
    const int early = plain_client(at.port), late = plain_client(at.port);
    if (!echoes(early) || !echoes(late)) _exit(10);
    const int third = ::socket(AF_INET, SOCK_STREAM, 0);
    std::vector<int> hoard;
    rlimit limit{64, 64};
    setrlimit(RLIMIT_NOFILE, &limit);
    for (int fd; (fd = ::open("/dev/null", O_RDONLY)) >= 0;) hoard.push_back(fd);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(at.port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(third, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) _exit(11);
    const auto cpu_before = cpu_time();
    std::this_thread::sleep_for(500ms);
    if (cpu_time() - cpu_before > 200ms) _exit(12);
    if (!echoes(early)) _exit(13);
    for (const int fd : hoard) ::close(fd);
    if (!echoes(third)) _exit(14);
    for (const int fd : {early, late, third}) ::close(fd);
    server.drain(5s);
    running.join();
    _exit(0);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("A14: uv server: a PROXY header is believed from a trusted address and is ordinary input from any other") {
  for (const bool trusted : {true, false}) {
    CAPTURE(trusted);
    UvLoop loop;
    std::string peer, first;
    const auto note = [&](std::unique_ptr<ByteStream> stream, Context context) -> Task<void> {
      peer = stream->peer().address.to_string();
      const auto line = co_await read_through(*stream, "\r\n", context);
      if (line) first = *line;
      co_await stream->close(context);
    };
    const IpNetwork balancers = *IpNetwork::parse(trusted ? "127.0.0.0/8" : "10.0.0.0/8");
    auto listener = loop.listen({.address = any_port, .proxy_trusted = {balancers}}, note).value();
    auto client = loop.run_until(loop.connect(listener->local(), {&loop})).value();
    const std::string_view wire = "PROXY TCP4 192.0.2.9 192.0.2.1 1000 25\r\nEHLO x\r\n";
    CHECK(loop.run_until(write_all(*client, wire, {&loop})).has_value());
    CHECK(loop.run_until(read_to_end(*client, {&loop})).has_value());
    CHECK(peer == (trusted ? "192.0.2.9" : "127.0.0.1"));
    CHECK(first.substr(0, 5) == (trusted ? "EHLO " : "PROXY"));
    client.reset();
    finish(loop);
  }
}

TEST_CASE("uv listener: an inherited socket is listened on, and the environment names it for one process only") {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at) == 0);
  UvServer server({.loops = 2});
  const Endpoint local = server.listen({.inherited_socket = fd}, echo).value();
  std::thread running([&] { server.run(); });
  const int client = plain_client(local.port);
  CHECK(echoes(client));
  ::close(client);
  server.drain(5s);
  running.join();
  ::close(fd);
  setenv("LISTEN_PID", "1", 1);
  setenv("LISTEN_FDS", "1", 1);
  CHECK(inherited_sockets().empty());
  unsetenv("LISTEN_PID");
  unsetenv("LISTEN_FDS");
}
