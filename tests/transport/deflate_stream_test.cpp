// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/transport/deflate_stream.hpp"

#include <doctest/doctest.h>

#include <string>

#include "codec/deflate.hpp"
#include "support/pipe_stream.hpp"
#include "support/sim_executor.hpp"

using namespace keystonemail;
using namespace keystonemail::test;
using namespace keystonemail::transport;
using namespace std::chrono_literals;

namespace {

std::string letters(std::size_t octets) {
  std::string text(octets, '\0');
  std::uint64_t seed = octets + 1;
  for (char& c : text) seed = seed * 6364136223846793005ULL + 1442695040888963407ULL, c = static_cast<char>('a' + (seed >> 40) % 16);
  return text;
}

std::string deflated(std::string_view text) {
  codec::Deflater deflater;
  std::string out;
  deflater.add(text, out);
  deflater.flush(out);
  return out;
}

struct DeflatedPipe {
  explicit DeflatedPipe(SimExecutor& executor, StreamFaults faults = {}, std::size_t capacity = 1U << 20) : loop(executor) {
    Pipe pipe = make_pipe({.capacity = capacity});
    raw = std::move(pipe.client);
    plain = std::make_unique<DeflateStream>(std::make_unique<FaultyStream>(std::move(pipe.server), faults));
  }
  void send(std::string_view octets) { REQUIRE(loop.run(write_all(*raw, octets, {&loop})).has_value()); }
  // What comes until nothing more does.
  std::string take() {
    std::string out;
    for (;;) {
      const auto got = loop.run(plain->read({&loop, {}, loop.now() + 1s}));
      if (!got || got->empty()) return out;
      out += *got;
      plain->consume(got->size());
    }
  }
  SimExecutor& loop;
  std::unique_ptr<ByteStream> raw, plain;
};

}  // namespace

TEST_CASE("deflate stream: what one end writes the other reads, however the octets are split") {
  SimExecutor loop;
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{4096}, SIZE_MAX}) {
    for (const std::size_t octets : {std::size_t{0}, std::size_t{1}, std::size_t{1000}, std::size_t{200'000}}) {
      if (piece == 1 && octets > 1000) continue;
      DeflatedPipe ends(loop, {.read_octets_max = piece});
      const std::string text = letters(octets);
      ends.send(deflated(text));
      CHECK((ends.take() == text));
    }
  }
}

TEST_CASE("deflate stream: two of them understand each other, and each write comes whole at once") {
  SimExecutor loop;
  Pipe pipe = make_pipe({.capacity = 1U << 20});
  DeflateStream client(std::move(pipe.client)), server(std::move(pipe.server));
  std::size_t sent = 0;
  for (const std::string_view text : {"a NOOP\r\n", "b NOOP\r\n", "c FETCH 1 (FLAGS)\r\n"}) {
    const std::string_view pieces[] = {text.substr(0, 2), text.substr(2)};
    REQUIRE(loop.run(client.write(pieces, {&loop})).has_value());
    const auto got = loop.run(server.read({&loop, {}, loop.now() + 1s}));
    REQUIRE(got.has_value());
    CHECK(*got == text);
    server.consume(got->size());
    sent += text.size();
  }
  CHECK(sent > 0);
  CHECK(server.unconsumed() == 0);
  const std::string long_text(500'000, 'x');
  auto writing = write_all(server, long_text, {&loop});
  std::string read;
  while (read.size() < long_text.size()) {
    const auto got = loop.run(client.read({&loop, {}, loop.now() + 1s}));
    REQUIRE(got.has_value());
    read += *got;
    client.consume(got->size());
  }
  CHECK((read == long_text));
  CHECK(loop.run(std::move(writing)).has_value());
}

TEST_CASE("deflate stream: a read that is given up loses nothing") {
  SimExecutor loop;
  DeflatedPipe ends(loop);
  const std::string packed = deflated("hello there");
  ends.send(std::string_view(packed).substr(0, 5));
  const auto late = loop.run(ends.plain->read({&loop, {}, loop.now() + 1s}));
  std::string got = late ? std::string(*late) : std::string();
  if (late) ends.plain->consume(late->size());
  ends.send(std::string_view(packed).substr(5));
  CHECK(got + ends.take() == "hello there");
}

TEST_CASE("deflate stream: octets that are no DEFLATE are an error, the end is the end") {
  SimExecutor loop;
  DeflatedPipe ends(loop);
  ends.send("\xff\xff\xff\xff this is no deflate");
  const auto got = loop.run(ends.plain->read({&loop, {}, loop.now() + 1s}));
  REQUIRE(!got.has_value());
  CHECK(got.error().kind() == ErrorKind::invalid);
  DeflatedPipe other(loop);
  loop.run(other.raw->close({&loop}));
  const auto end = loop.run(other.plain->read({&loop, {}, loop.now() + 1s}));
  REQUIRE(end.has_value());
  CHECK(end->empty());
}

TEST_CASE("B7: what grows a hundredfold is cut off after a MiB, and never held at once") {
  SimExecutor loop;
  DeflatedPipe ends(loop);
  ends.send(deflated(std::string(10'000'000, '\0')));
  std::size_t octets = 0, largest = 0;
  for (;;) {
    const auto got = loop.run(ends.plain->read({&loop, {}, loop.now() + 1s}));
    if (!got) {
      CHECK(got.error().kind() == ErrorKind::invalid);
      break;
    }
    REQUIRE(!got->empty());
    octets += got->size();
    largest = std::max(largest, got->size());
    ends.plain->consume(got->size());
  }
  CHECK(octets <= limits::inflate_free_octets + limits::inflate_step_octets);
  CHECK(largest <= limits::inflate_step_octets);
}

TEST_CASE("B7: what grows as text does goes on without end") {
  SimExecutor loop;
  DeflatedPipe ends(loop, {}, 16U << 20);
  std::string text;
  for (int i = 0; text.size() < 4'000'000; ++i) text += "a" + std::to_string(i) + " FETCH " + std::to_string(i * 7) + " (UID FLAGS)\r\n";
  ends.send(deflated(text));
  CHECK((ends.take() == text));
}
