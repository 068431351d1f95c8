// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/transport/tls_stream.hpp"

#include <doctest/doctest.h>

#include <string>

#include "keystonemail/crypto/certificate.hpp"
#include "support/pipe_stream.hpp"
#include "support/sim_executor.hpp"

using namespace keystonemail;
using namespace keystonemail::test;
using namespace keystonemail::transport;
using namespace std::chrono_literals;

namespace {

struct Ends {
  SimExecutor loop;
  Pipe pipe = make_pipe();
  std::shared_ptr<const tls::ServerContext> server_context;
  std::shared_ptr<const tls::ClientContext> client_context = tls::ClientContext::create({}).value();

  Ends() {
    crypto::CertificateRequest request;
    request.names = {"mail.example.test"};
    request.not_before = loop.wall_now() - 24h;
    request.not_after = loop.wall_now() + 24h;
    const auto issued = crypto::make_self_signed(request).value();
    tls::ServerOptions options;
    options.certificates.push_back({issued.certificate_pem, std::string(issued.private_key_pem.view())});
    server_context = tls::ServerContext::create(options).value();
  }
  [[nodiscard]] Task<Result<std::unique_ptr<TlsStream>>> accept(TlsStart start = TlsStart::implicit) {
    return TlsStream::accept(std::move(pipe.server), server_context, start, {&loop});
  }
  [[nodiscard]] Task<Result<std::unique_ptr<TlsStream>>> connect() {
    tls::ClientRequest request{"mail.example.test", tls::Verification::none, {}};
    return TlsStream::connect(std::move(pipe.client), client_context, request, TlsStart::implicit, {&loop});
  }
};

}  // namespace

TEST_CASE("tls stream: what one end writes the other reads, to the end, in pieces of any size") {
  Ends ends;
  auto accepting = ends.accept();
  auto client = ends.loop.run(ends.connect()).value();
  auto server = ends.loop.run(std::move(accepting)).value();
  std::string text;
  for (int i = 0; text.size() < 300'000; ++i) text += std::to_string(i) + ",";
  const auto send = [&](std::string_view a, std::string_view b) -> Task<bool> {
    const std::string_view pieces[] = {a, "", b};
    const auto done = co_await client->write(pieces, {&ends.loop});
    co_await client->close({&ends.loop});
    co_return done.has_value();
  };
  auto sending = send(std::string_view(text).substr(0, 70'001), std::string_view(text).substr(70'001));
  CHECK(ends.loop.run(read_to_end(*server, {&ends.loop})).value() == text);
  CHECK(ends.loop.run(std::move(sending)));
  CHECK(server->unconsumed() == 0);
  CHECK(server->channel().info().server_name == "mail.example.test");
  CHECK(server->channel().exporter_binding().has_value());
}

TEST_CASE("A3: tls stream: octets in the clear before the handshake end the connection, uninterpreted") {
  Ends ends;
  CHECK(ends.loop.run(write_all(*ends.pipe.client, "STARTTLS\r\nMAIL FROM:<a@b>\r\n", {&ends.loop})).has_value());
  CHECK(ends.loop.run(ends.pipe.server->read({&ends.loop})).has_value());
  ends.pipe.server->consume(10);
  CHECK(ends.loop.run(ends.accept(TlsStart::upgrade)).error().kind() == ErrorKind::denied);
  CHECK(ends.loop.run(ends.pipe.client->read({&ends.loop})).error().kind() == ErrorKind::unavailable);
}

TEST_CASE("A3: tls stream: a command instead of a handshake fails it") {
  Ends ends;
  CHECK(ends.loop.run(write_all(*ends.pipe.client, "MAIL FROM:<a@b>\r\n", {&ends.loop})).has_value());
  CHECK(ends.loop.run(ends.accept(TlsStart::upgrade)).error().kind() == ErrorKind::invalid);
}

TEST_CASE("tls stream: an end without close_notify is an error, not an end") {
  Ends ends;
  auto accepting = ends.accept();
  auto client = ends.loop.run(ends.connect()).value();
  auto server = ends.loop.run(std::move(accepting)).value();
  CHECK(ends.loop.run(write_all(*client, "half", {&ends.loop})).has_value());
  CHECK(ends.loop.run(server->read({&ends.loop})).value() == "half");
  server->consume(4);
  client.reset();
  CHECK(ends.loop.run(server->read({&ends.loop})).error().kind() == ErrorKind::unavailable);
}

TEST_CASE("tls stream: the deadline of a handshake is kept") {
  Ends ends;
  auto accepting = TlsStream::accept(std::move(ends.pipe.server), ends.server_context, TlsStart::implicit,
                                     Context{&ends.loop}.until(ends.loop.now() + 30s));
  CHECK(ends.loop.run(std::move(accepting)).error().kind() == ErrorKind::timeout);
}

TEST_CASE("tls stream: a connection cut at any octet of the handshake is an error") {
  for (std::uint64_t at = 0; at < 400; at += 7) {
    CAPTURE(at);
    Ends ends;
    ends.pipe.server = std::make_unique<FaultyStream>(std::move(ends.pipe.server), StreamFaults{.cut_read_at = at});
    auto accepting = ends.accept();
    auto connecting = ends.connect();
    auto accepted = ends.loop.run(std::move(accepting));
    if (accepted) {  // the client's part of the handshake is over before the cut
      CHECK(at > 200);
      accepted->reset();
      (void)ends.loop.run(std::move(connecting));
      break;
    }
    CHECK(accepted.error().kind() == ErrorKind::unavailable);
    (void)ends.loop.run(std::move(connecting));
  }
}
