// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <doctest/doctest.h>
#include <malloc.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <thread>
#include <vector>

#include "backends_libuv/support.hpp"
#include "keystonemail/backends/libuv/uv_loop.hpp"

using namespace keystonemail;
using namespace keystonemail::libuv;
using namespace keystonemail::test;
using namespace keystonemail::transport;
using namespace std::chrono_literals;

namespace {

struct Server {
  UvLoop loop;
  std::unique_ptr<Listener> listener;
  explicit Server(Handler handler, Endpoint at = any_port)
      : listener(loop.listen({.address = at}, std::move(handler)).value()) {}
  ~Server() { finish(loop); }
  [[nodiscard]] Context soon() { return Context{&loop}.until(loop.now() + 20s); }
  [[nodiscard]] std::unique_ptr<ByteStream> connect() {
    return loop.run_until(loop.connect(listener->local(), soon())).value();
  }
};

Task<Result<std::string>> converse(ByteStream& stream, std::string text, Context context) {
  auto sent = co_await write_all(stream, text, context);
  if (!sent) co_return std::unexpected(sent.error());
  co_return co_await read_through(stream, text.substr(text.size() - 1), context);
}

}  // namespace

TEST_CASE("uv stream: a listener on port 0 says its port, and what is sent comes back") {
  for (const char* at : {"127.0.0.1:0", "[::1]:0"}) {
    Server server(echo, *Endpoint::parse(at));
    CHECK(server.listener->local().port != 0);
    auto client = server.connect();
    CHECK(client->peer() == server.listener->local());
    CHECK(server.loop.run_until(converse(*client, "hello\n", server.soon())).value() == "hello\n");
    CHECK(server.listener->connections() == 1);
    server.loop.run_until(client->close(server.soon()));
  }
}

TEST_CASE("uv stream: [::] serves IPv4 too, and the peer is seen as the IPv4 address it is") {
  std::string seen;
  Server server([&](std::unique_ptr<ByteStream> stream, Context context) -> Task<void> {
    seen = stream->peer().address.to_string();
    co_await echo(std::move(stream), std::move(context));
  }, *Endpoint::parse("[::]:0"));
  auto client = server.loop.run_until(
      server.loop.connect({IpAddress::v4({127, 0, 0, 1}), server.listener->local().port}, server.soon())).value();
  CHECK(server.loop.run_until(converse(*client, "x\n", server.soon())).has_value());
  CHECK(seen == "127.0.0.1");
}

TEST_CASE("uv stream: connections come from the address that was chosen for their family, and from no address that is not here") {
  std::string seen;
  Server server([&](std::unique_ptr<ByteStream> stream, Context context) -> Task<void> {
    seen = stream->peer().address.to_string();
    co_await echo(std::move(stream), std::move(context));
  });
  server.loop.set_source_addresses(IpAddress::parse("127.0.0.5"), IpAddress::parse("::1"));
  auto client = server.connect();
  CHECK(server.loop.run_until(converse(*client, "x\n", server.soon())).has_value());
  CHECK(seen == "127.0.0.5");
  server.loop.set_source_addresses(IpAddress::parse("192.0.2.77"), std::nullopt);
  const auto none = server.loop.run_until(server.loop.connect(server.listener->local(), server.soon()));
  CHECK(!none.has_value());
}

TEST_CASE("uv stream: many pieces of odd sizes go out whole and in order, far beyond the socket's buffer") {
  const std::string text = pattern(8'000'000);
  std::string got;
  Server server([&](std::unique_ptr<ByteStream> stream, Context context) -> Task<void> {
    auto all = co_await read_to_end(*stream, context);
    if (all) got = *std::move(all);
  });
  auto client = server.connect();
  std::vector<std::string_view> pieces;
  for (std::size_t at = 0, octets = 0; at < text.size(); at += octets, octets = (octets * 13 + 1) % 60'000)
    pieces.push_back(std::string_view(text).substr(at, octets));
  CHECK(server.loop.run_until(client->write(pieces, server.soon())).has_value());
  server.loop.run_until(client->close(server.soon()));
  while (server.loop.connections() > 0) server.loop.run_some();
  CHECK(got == text);
}

TEST_CASE("uv stream: a writer waits for a slow reader, and its deadline ends the wait and the connection") {
  Server server([&](std::unique_ptr<ByteStream> stream, Context context) -> Task<void> {
    (void)co_await sleep_until(context.executor->now() + 10s, context);  // until the loop drains
    co_await stream->close(context);
  });
  auto client = server.connect();
  const std::string text = pattern(32'000'000);
  auto result = server.loop.run_until(write_all(*client, text, Context{&server.loop}.until(server.loop.now() + 50ms)));
  REQUIRE(!result);
  CHECK(result.error().kind() == ErrorKind::timeout);
  CHECK(!server.loop.run_until(write_all(*client, "x", server.soon())).has_value());
}

TEST_CASE("uv stream: after the peer's end a reply still goes out") {
  Server server([&](std::unique_ptr<ByteStream> stream, Context context) -> Task<void> {
    const auto all = co_await read_to_end(*stream, context);
    (void)co_await write_all(*stream, "got " + *all, context);
    co_await stream->close(context);
  });
  // A plain socket, as ours does not half close.
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(server.listener->local().port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
  REQUIRE(::write(fd, "abc", 3) == 3);
  ::shutdown(fd, SHUT_WR);
  while (server.loop.connections() == 0) server.loop.run_some();
  while (server.loop.connections() > 0) server.loop.run_some();
  std::array<char, 100> reply{};
  const auto octets = ::read(fd, reply.data(), reply.size());
  CHECK(std::string_view(reply.data(), static_cast<std::size_t>(octets)) == "got abc");
  ::close(fd);
}

TEST_CASE("uv stream: the last reply arrives although the server leaves much unread") {
  Server server([&](std::unique_ptr<ByteStream> stream, Context context) -> Task<void> {
    (void)co_await write_all(*stream, "554 no\r\n", context);
    co_await stream->close(context);
  });
  auto client = server.connect();
  const std::string text = pattern(300'000);
  (void)server.loop.run_until(write_all(*client, text, server.soon()));
  CHECK(server.loop.run_until(read_to_end(*client, server.soon())).value() == "554 no\r\n");
}

TEST_CASE("uv stream: a reset is an error for the reader, not an end") {
  Result<std::string> seen;
  Server server([&](std::unique_ptr<ByteStream> stream, Context context) -> Task<void> {
    seen = co_await read_to_end(*stream, context);
  });
  auto client = server.connect();
  CHECK(server.loop.run_until(write_all(*client, "x", server.soon())).has_value());
  while (server.loop.connections() == 0) server.loop.run_some();
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(server.listener->local().port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0);
  while (server.loop.connections() < 2) server.loop.run_some();
  const linger abort{1, 0};
  REQUIRE(setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof abort) == 0);
  ::close(fd);
  while (server.loop.connections() == 2) server.loop.run_some();
  REQUIRE(!seen);
  CHECK(seen.error().kind() == ErrorKind::unavailable);
  server.loop.run_until(client->close(server.soon()));
}

TEST_CASE("uv stream: a read that timed out or was stopped from another thread loses nothing") {
  Server server(echo);
  auto client = server.connect();
  CHECK(server.loop.run_until(client->read(Context{&server.loop}.until(server.loop.now() + 5ms))).error().kind() ==
        ErrorKind::timeout);
  std::stop_source source;
  auto reading = client->read(server.soon().with_stop(source.get_token()));
  std::jthread other([&] { source.request_stop(); });
  CHECK(server.loop.run_until(std::move(reading)).error().kind() == ErrorKind::cancelled);
  CHECK(server.loop.run_until(converse(*client, "still here\n", server.soon())).value() == "still here\n");
}

TEST_CASE("uv stream: what is not consumed is returned again, and more is read only then") {
  Server server([&](std::unique_ptr<ByteStream> stream, Context context) -> Task<void> {
    (void)co_await write_all(*stream, "abcdef", context);
    (void)co_await stream->read(context);
  });
  auto client = server.connect();
  CHECK(server.loop.run_until(client->read(server.soon())).value() == "abcdef");
  client->consume(4);
  CHECK(client->unconsumed() == 2);
  CHECK(server.loop.run_until(client->read(server.soon())).value() == "ef");
  client->consume(2);
  server.loop.run_until(client->close(server.soon()));
}

TEST_CASE("uv stream: what is being worked on stays as it is while more comes, or the end") {
  enum class Next { more, end };
  for (const Next next : {Next::more, Next::end}) {
    CAPTURE(static_cast<int>(next));
    std::string kept, rest;
    Server server([&](std::unique_ptr<ByteStream> stream, Context context) -> Task<void> {
      const auto first = co_await stream->read(context);
      if (!first) co_return;
      (void)co_await sleep_until(context.executor->now() + 100ms, context);  // a command takes its time
      kept = *first;
      stream->consume(kept.size());
      if (auto all = co_await read_to_end(*stream, context)) rest = *std::move(all);
    });
    auto client = server.connect();
    REQUIRE(server.loop.run_until(write_all(*client, "a command\r\n", server.soon())).has_value());
    (void)server.loop.run_until(sleep_until(server.loop.now() + 20ms, server.soon()));
    if (next == Next::more) REQUIRE(server.loop.run_until(write_all(*client, "another\r\n", server.soon())).has_value());
    server.loop.run_until(client->close(server.soon()));
    while (server.loop.connections() > 0) server.loop.run_some();
    CHECK(kept == "a command\r\n");
    CHECK(rest == (next == Next::more ? "another\r\n" : ""));
  }
}

TEST_CASE("uv stream: connecting to a port where nobody listens is refused; a black hole meets the deadline") {
  UvLoop loop;
  auto listener = loop.listen({.address = any_port}, echo).value();
  const Endpoint gone = listener->local();
  listener.reset();
  CHECK(loop.run_until(loop.connect(gone, {&loop})).error().kind() == ErrorKind::unavailable);
  const Endpoint nowhere = *Endpoint::parse("192.0.2.1:9");  // RFC 5737: TEST-NET-1
  const auto result = loop.run_until(loop.connect(nowhere, Context{&loop}.until(loop.now() + 50ms)));
  REQUIRE(!result);
  CHECK((result.error().kind() == ErrorKind::timeout || result.error().kind() == ErrorKind::unavailable));
}

TEST_CASE("uv stream: a Unix socket is its owner's alone, is taken over when stale, and goes with its listener") {
  UvLoop loop;
  const std::string path = "/tmp/keystone-libuv-test-" + std::to_string(getpid());
  CHECK(loop.connect_local(path).error().kind() == ErrorKind::not_found);
  {
    auto listener = loop.listen_local(path, echo).value();
    CHECK(loop.listen_local(path, echo).error().kind() == ErrorKind::conflict);
    auto client = loop.connect_local(path).value();
    CHECK(loop.run_until(converse(*client, "local\n", Context{&loop}.until(loop.now() + 5s))).value() == "local\n");
    loop.run_until(client->close({&loop}));
    transport::Connector& by_port = loop;
    client = loop.run_until(by_port.connect_path(path, {&loop})).value();
    CHECK(loop.run_until(converse(*client, "by the port\n", Context{&loop}.until(loop.now() + 5s))).value() == "by the port\n");
    loop.run_until(client->close({&loop}));
    while (loop.connections() > 0) loop.run_some();
  }
  CHECK(access(path.c_str(), F_OK) != 0);
}
