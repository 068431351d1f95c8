// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <doctest/doctest.h>

#include <string>

#include "keystonemail/backends/memory/blob_store.hpp"
#include "keystonemail/backends/memory/kv_store.hpp"
#include "keystonemail/service/server/server.hpp"
#include "keystonemail/transport/pipe.hpp"
#include "keystonemail/transport/proxy_header.hpp"

using namespace keystonemail;

namespace {

struct BalancedServer {
  BalancedServer() {
    memory::KvOptions kv{.tables = Server::tables()};
    const auto content = static_cast<kv::Table>(kv.tables.size());
    kv.tables.emplace_back("content");
    store = memory::make_kv_store(std::move(kv));
    blobs = memory::make_blob_store({.table = content});
    ServerOptions options{.hostname = "mail.test", .primary_domain = "test"};
    ServerPorts ports{*store, *blobs, random, log};
    server = loop.run_until(Server::open(std::move(options), std::move(ports), {&loop})).value();
  }
  // What a client of the balancer at 127.0.0.1, who is at `real`, is offered in the clear.
  std::string offer(Protocol protocol, std::string_view real, std::string_view asks) {
    transport::Pipe pipe = transport::make_pipe({.client = *Endpoint::parse("127.0.0.1:9")});
    const std::string header = "PROXY " + std::string(real.contains(':') ? "TCP6 " : "TCP4 ") + std::string(real) +
                               (real.contains(':') ? " ::1" : " 127.0.0.1") + " 1 2\r\n";
    (void)loop.run_until(transport::write_all(*pipe.client, header, {&loop}));
    auto stream = loop.run_until(transport::accept_proxy(std::move(pipe.server), {&loop})).value();
    auto session = server->handler({.protocol = protocol, .allow_plaintext_auth = true})(std::move(stream), {&loop});
    std::string heard = read(*pipe.client);
    if (protocol != Protocol::imap) {
      (void)loop.run_until(transport::write_all(*pipe.client, asks, {&loop}));
      heard = read(*pipe.client);
    }
    loop.run_until(pipe.client->close({&loop}));
    loop.run_until(std::move(session));
    return heard;
  }
  std::string read(transport::ByteStream& stream) {
    const auto heard = loop.run_until(stream.read({&loop}));
    REQUIRE(heard);
    std::string text(*heard);
    stream.consume(text.size());
    return text;
  }

  RunLoop loop;
  SeededRandom random{1};
  NullLog log;
  std::unique_ptr<kv::Store> store;
  std::unique_ptr<blob::Store> blobs;
  std::unique_ptr<Server> server;
};

}  // namespace

TEST_CASE_FIXTURE(BalancedServer, "server: behind a load balancer passwords in the clear are taken from loopback alone, not from whom it passes on") {
  for (const char* near : {"127.0.0.1", "::1"}) {
    CAPTURE(near);
    CHECK(offer(Protocol::submission, near, "EHLO c\r\n").contains("AUTH "));
    CHECK(offer(Protocol::imap, near, "").contains("AUTH=PLAIN"));
  }
  for (const char* far : {"192.0.2.1", "2001:db8::1"}) {
    CAPTURE(far);
    CHECK(!offer(Protocol::submission, far, "EHLO c\r\n").contains("AUTH"));
    const std::string imap = offer(Protocol::imap, far, "");
    CHECK(imap.contains("LOGINDISABLED"));
    CHECK(!imap.contains("AUTH="));
  }
}
