// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/transport/pipe.hpp"

#include <doctest/doctest.h>

#include <string>
#include <thread>
#include <vector>

#include "support/pipe_stream.hpp"
#include "support/sim_executor.hpp"

using namespace keystonemail;
using namespace keystonemail::test;
using namespace keystonemail::transport;
using namespace std::chrono_literals;

namespace {

Task<Result<void>> send_and_close(ByteStream& stream, std::string text, Context context) {
  auto done = co_await write_all(stream, text, context);
  co_await stream.close(context);
  co_return done;
}

std::string pattern(std::size_t octets) {
  std::string text(octets, '\0');
  for (std::size_t i = 0; i < octets; ++i) text[i] = static_cast<char>('a' + i * 7 % 26);
  return text;
}

}  // namespace

TEST_CASE("pipe: what one end writes the other reads, then the end") {
  SimExecutor loop;
  Pipe pipe = make_pipe();
  auto sending = send_and_close(*pipe.client, "hello", {&loop});
  CHECK(loop.run(read_to_end(*pipe.server, {&loop})).value() == "hello");
  CHECK(loop.run(std::move(sending)).has_value());
}

TEST_CASE("pipe: a writer waits while the capacity is used up") {
  SimExecutor loop;
  Pipe pipe = make_pipe({.capacity = 10});
  const std::string text = pattern(1000);
  auto sending = send_and_close(*pipe.client, text, {&loop});
  loop.run_until_idle();
  CHECK(!sending.done());
  CHECK(loop.run(read_to_end(*pipe.server, {&loop})).value() == text);
  CHECK(loop.run(std::move(sending)).has_value());
}

TEST_CASE("pipe: octets not consumed are returned again, unchanged while the peer writes on") {
  SimExecutor loop;
  Pipe pipe = make_pipe();
  CHECK(loop.run(write_all(*pipe.client, "abcdef", {&loop})).has_value());
  const std::string_view first = loop.run(pipe.server->read({&loop})).value();
  CHECK(loop.run(write_all(*pipe.client, pattern(5000), {&loop})).has_value());
  CHECK(first == "abcdef");
  pipe.server->consume(2);
  CHECK(pipe.server->unconsumed() == 4);
  CHECK(loop.run(pipe.server->read({&loop})).value() == "cdef");
}

TEST_CASE("pipe: a read ends at its deadline and loses nothing") {
  SimExecutor loop;
  Pipe pipe = make_pipe();
  const auto before = loop.now();
  auto late = loop.run(pipe.server->read(Context{&loop}.until(before + 30s)));
  CHECK(late.error().kind() == ErrorKind::timeout);
  CHECK(loop.now() == before + 30s);
  CHECK(loop.timers() == 0);
  CHECK(loop.run(write_all(*pipe.client, "x", {&loop})).has_value());
  CHECK(loop.run(pipe.server->read({&loop})).value() == "x");
}

TEST_CASE("pipe: a stop request from another thread ends a read, and a write that waits") {
  SimExecutor loop;
  Pipe pipe = make_pipe({.capacity = 1});
  std::stop_source source;
  auto reading = pipe.server->read(Context{&loop, source.get_token()});
  const std::string_view pieces[] = {"two"};
  auto writing = pipe.server->write(pieces, Context{&loop, source.get_token()});
  std::jthread([&] { source.request_stop(); }).join();
  CHECK(loop.run(std::move(reading)).error().kind() == ErrorKind::cancelled);
  CHECK(loop.run(std::move(writing)).error().kind() == ErrorKind::cancelled);
}

TEST_CASE("pipe: an end destroyed without close is a reset for the other") {
  SimExecutor loop;
  Pipe pipe = make_pipe();
  auto reading = pipe.server->read({&loop});
  pipe.client.reset();
  CHECK(loop.run(std::move(reading)).error().kind() == ErrorKind::unavailable);
  CHECK(loop.run(write_all(*pipe.server, "x", {&loop})).error().kind() == ErrorKind::unavailable);
}

TEST_CASE("pipe network: a listener serves each connection and names the peer") {
  SimExecutor loop;
  PipeNetwork network;
  std::vector<std::string> peers;
  const auto echo = [&](std::unique_ptr<ByteStream> stream, Context context) -> Task<void> {
    peers.push_back(stream->peer().address.to_string());
    auto all = co_await read_through(*stream, "\n", context);
    (void)co_await write_all(*stream, *all, context);
    co_await stream->close(context);
  };
  auto listener = network.listen({IpAddress::v4({127, 0, 0, 1}), 0}, echo, {&loop}).value();
  CHECK(listener->local().port != 0);
  auto client = network.connect_from(*Endpoint::parse("192.0.2.7:1000"), listener->local()).value();
  CHECK(loop.run(write_all(*client, "ping\n", {&loop})).has_value());
  CHECK(loop.run(read_to_end(*client, {&loop})).value() == "ping\n");
  loop.run_until_idle();
  CHECK(peers == std::vector<std::string>{"192.0.2.7"});
  CHECK(listener->connections() == 0);
}

TEST_CASE("pipe network: nobody listening is a refused connection, and an address is given once") {
  SimExecutor loop;
  PipeNetwork network;
  const Endpoint at = *Endpoint::parse("127.0.0.1:25");
  CHECK(loop.run(network.connect(at, {&loop})).error().kind() == ErrorKind::unavailable);
  const auto nothing = [](std::unique_ptr<ByteStream>, Context) -> Task<void> { co_return; };
  auto first = network.listen(at, nothing, {&loop});
  CHECK(network.listen(at, nothing, {&loop}).error().kind() == ErrorKind::conflict);
}

TEST_CASE("faulty stream: odd pieces and delays change nothing but the time it takes") {
  const std::string text = pattern(3000);
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    SimExecutor loop(seed);
    Pipe pipe = make_pipe({.capacity = 64});
    FaultyStream client(std::move(pipe.client),
                        {.write_octets_max = 50, .random_sizes = true, .write_delay_max = 20ms, .seed = seed});
    FaultyStream server(std::move(pipe.server),
                        {.read_octets_max = 7, .random_sizes = true, .read_delay_max = 5ms, .seed = seed + 1});
    auto sending = send_and_close(client, text, {&loop});
    CHECK(loop.run(read_to_end(server, {&loop})).value() == text);
    CHECK(loop.run(std::move(sending)).has_value());
  }
}

TEST_CASE("faulty stream: a cut passes on exactly the octets before it") {
  for (const std::uint64_t at : {0, 1, 9, 10}) {
    CAPTURE(at);
    SimExecutor loop;
    Pipe pipe = make_pipe();
    FaultyStream server(std::move(pipe.server), {.cut_read_at = at});
    CHECK(loop.run(write_all(*pipe.client, "0123456789", {&loop})).has_value());
    std::string got;
    for (;;) {
      auto view = loop.run(server.read(Context{&loop}.until(loop.now() + 1s)));
      if (!view) {
        CHECK(view.error().kind() == (at < 10 ? ErrorKind::unavailable : ErrorKind::timeout));
        break;
      }
      got += *view;
      server.consume(view->size());
    }
    CHECK(got == std::string("0123456789").substr(0, at));
  }
}

TEST_CASE("simulated executor: the same seed gives the same order, another seed another") {
  const auto order = [](std::uint64_t seed) {
    SimExecutor loop(seed);
    std::string out;
    loop.post([&] { for (char c = '0'; c < '4'; ++c) loop.post([&out, c] { out += c; }); });
    loop.post([&] { for (char c = 'a'; c < 'e'; ++c) loop.post([&out, c] { out += c; }); });
    loop.run_until_idle();
    return out;
  };
  bool differs = false;
  for (std::uint64_t seed = 1; seed < 10; ++seed) {
    CHECK(order(seed) == order(seed));
    differs = differs || order(seed) != order(seed + 1);
    CHECK(order(seed).find('0') < order(seed).find('3'));
  }
  CHECK(differs);
}

TEST_CASE("simulated executor: advance runs each timer at its own time") {
  SimExecutor loop;
  const Instant start = loop.now();
  std::vector<long> seen;
  for (const auto after : {3s, 1s, 5s})
    (void)loop.start_timer(start + after, [&] { seen.push_back((loop.now() - start) / 1s); });
  loop.advance(4s);
  CHECK(seen == std::vector<long>{1, 3});
  CHECK(loop.now() == start + 4s);
}
