// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/tls/channel.hpp"

#include <doctest/doctest.h>

#include <malloc.h>

#include <string>

#include "keystonemail/crypto/digest.hpp"
#include "pair.hpp"

using namespace keystonemail;
using namespace keystonemail::tls;
using namespace keystonemail::tls::test;

TEST_CASE("tls: both versions shake hands octet by octet and carry text both ways") {
  for (const auto version : {Version::tls1_2, Version::tls1_3}) {
    Pair pair(server_options(version), client_options(version));
    pair.pump(1);
    REQUIRE(pair.is_open());
    CHECK(pair.client.send("EHLO client\r\n") == 13);
    CHECK(pair.server.send("250 ok\r\n") == 8);
    pair.pump(1);
    CHECK(pair.at_server == "EHLO client\r\n");
    CHECK(pair.at_client == "250 ok\r\n");
    for (const auto* side : {&pair.client, &pair.server}) {
      const auto info = side->info();
      CHECK(info.version == version);
      CHECK(info.cipher == (version == Version::tls1_3 ? "TLS_AES_128_GCM_SHA256" : "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"));
      CHECK(info.cipher_bits == 128);
      CHECK(info.server_name == "mail.example.test");
      CHECK_FALSE(info.resumed);
      CHECK(info.received_clause() == "tls " + info.cipher + " group " + info.group);
    }
    CHECK((pair.client.info().group == "x25519" || pair.client.info().group == "X25519MLKEM768"));
    CHECK(pair.client.trust() == Trust::trusted);
    CHECK(pair.server.trust() == Trust::unchecked);
  }
}

TEST_CASE("tls: the result does not depend on where reads split") {
  // Every flight of a handshake and its data, cut in two at every place.
  for (const auto version : {Version::tls1_2, Version::tls1_3}) {
    const auto server_context = ServerContext::create(server_options(version)).value();
    const auto client_context = ClientContext::create(client_options(version)).value();
    for (std::size_t cut = 1; cut < 1'500; cut += cut < 40 ? 1 : 7) {
      CAPTURE(cut);
      Pair pair(server_context, client_context);
      pair.pump(cut);
      REQUIRE(pair.is_open());
      CHECK(pair.client.send("abc") == 3);
      CHECK(pair.client.send(std::string(3'000, 'x')) == 3'000);
      pair.client.close();
      pair.pump(cut);
      REQUIRE(pair.at_server == "abc" + std::string(3'000, 'x'));
      REQUIRE(pair.server.state() == ChannelState::peer_closed);
    }
  }
}

TEST_CASE("tls: ten megabytes arrive whole, with what waits kept under the limit") {
  Pair pair;
  pair.pump();
  std::string data(10'000'000, '\0');
  for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 2654435761u >> 13);
  std::string_view rest = data;
  while (!rest.empty()) {
    rest.remove_prefix(pair.client.send(rest));
    CHECK(pair.client.pending_output().size() <= limits::pending_output_octets_max + 17'000);
    pair.pump(10'007);
  }
  CHECK(pair.at_server == data);
}

TEST_CASE("tls: small pieces share a record, and every way of cutting them gives the same text") {
  Pair pair;
  pair.pump();
  const std::string big(20'000, 'b');
  const std::vector<std::vector<std::string_view>> cases{{}, {""}, {"a", "b", "c"}, {"", "a", "", big, "", "z", ""}, {big, big}, {"a", big}};
  for (const auto& pieces : cases) {
    std::string whole;
    for (const auto piece : pieces) whole += piece;
    pair.at_server.clear();
    CHECK(pair.client.send(pieces) == whole.size());
    if (whole == "abc") CHECK(pair.client.pending_output().size() < 40);
    pair.pump();
    CHECK(pair.at_server == whole);
  }
}

TEST_CASE("tls: nothing can be sent before the handshake or after close") {
  Pair pair;
  CHECK(pair.client.send("early") == 0);
  pair.pump();
  pair.client.close();
  pair.client.close();
  CHECK(pair.client.send("late") == 0);
  pair.pump();
  CHECK(pair.server.state() == ChannelState::peer_closed);
  CHECK(pair.server.send("half closed is still heard") == 26);
  pair.pump();
  CHECK(pair.at_client == "half closed is still heard");
  pair.server.receive_end();
  CHECK(pair.server.state() == ChannelState::peer_closed);
  CHECK(pair.server.fault() == Fault::none);
}

TEST_CASE("tls: an end without close_notify is told from a proper one") {
  Pair pair;
  pair.pump();
  CHECK(pair.client.send("half a mess") == 11);
  pair.pump();
  pair.server.receive_end();
  CHECK(pair.server.state() == ChannelState::failed);
  CHECK(pair.server.fault() == Fault::truncated);
  CHECK(pair.at_server == "half a mess");
  Pair early;
  early.server.receive_end();
  CHECK(early.server.fault() == Fault::truncated);
}

TEST_CASE("tls: garbage and plaintext protocols end the handshake cleanly") {
  for (const std::string& garbage : {std::string("EHLO there\r\n"), std::string("GET / HTTP/1.0\r\n\r\n"), std::string(2'000, '\0'), std::string(2'000, '\xff'),
                                    std::string("\x16\x03\x01\xff\xff", 5) + std::string(70'000, 'x')}) {
    for (std::size_t cut : {std::size_t{1}, garbage.size()}) {
      auto server = Channel::server(ServerContext::create(server_options()).value(), now);
      std::string plaintext;
      for (std::size_t i = 0; i < garbage.size(); i += cut) server.receive(std::string_view(garbage).substr(i, cut), plaintext);
      CHECK(server.state() == ChannelState::failed);
      CHECK((server.fault() == Fault::not_tls || server.fault() == Fault::protocol));
      CHECK(plaintext.empty());
      CHECK(server.send("x") == 0);
    }
  }
}

TEST_CASE("tls: every flipped octet of a record is noticed and nothing of it is delivered") {
  Pair pair;
  pair.pump();
  CHECK(pair.client.send("hello") == 5);
  const std::string record(pair.client.pending_output());
  for (std::size_t at = 0; at < record.size(); ++at) {
    Pair other;
    other.pump();
    CHECK(other.client.send("hello") == 5);
    std::string damaged(other.client.pending_output());
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    std::string plaintext;
    other.server.receive(damaged, plaintext);
    CHECK(plaintext.empty());
    if (other.server.state() != ChannelState::failed) other.server.receive_end();  // a longer length: still waiting
    CHECK(other.server.state() == ChannelState::failed);
  }
}

TEST_CASE("tls: versions without overlap fail with a fault on one side and an alert on the other") {
  auto server = server_options(Version::tls1_2);
  auto client = client_options();
  client.version_min = Version::tls1_3;
  Pair pair(server, client);
  pair.pump();
  CHECK(pair.server.fault() == Fault::version);
  CHECK(pair.client.fault() == Fault::peer_alert);
  CHECK(pair.client.alert() == 70);  // protocol_version
}

TEST_CASE("tls: T13: TLS 1.1 is refused") {
  // A ClientHello of TLS 1.1 without extensions.
  std::string hello("\x03\x02", 2);
  hello += std::string(32, 'r') + std::string("\0\0\x02\xc0\x13\x01\0", 7);
  const std::string body = std::string("\x01\0\0", 3) + static_cast<char>(hello.size()) + hello;
  const std::string record = std::string("\x16\x03\x01\0", 4) + static_cast<char>(body.size()) + body;
  auto server = Channel::server(ServerContext::create(server_options()).value(), now);
  std::string plaintext;
  server.receive(record, plaintext);
  CHECK(server.fault() == Fault::version);
}

TEST_CASE("tls: channel bindings are the same on both sides and differ between connections") {
  for (const auto version : {Version::tls1_2, Version::tls1_3}) {
    Pair a(server_options(version), client_options(version));
    Pair b(server_options(version), client_options(version));
    a.pump();
    b.pump();
    REQUIRE(a.client.exporter_binding().has_value());
    CHECK(a.client.exporter_binding()->size() == 32);
    CHECK(a.client.exporter_binding() == a.server.exporter_binding());
    CHECK(a.client.exporter_binding() != b.client.exporter_binding());
    REQUIRE(a.client.end_point_binding().has_value());
    CHECK(a.client.end_point_binding() == a.server.end_point_binding());
    const auto der = crypto::certificates_from_pem(mail_certificate().chain_pem)->front();
    CHECK(a.client.end_point_binding() == crypto::digest(crypto::Hash::sha256, der));
    CHECK(a.client.peer_chain() == std::vector<std::string>{der});
  }
}

TEST_CASE("tls: RFC 5929: a certificate signed by Ed25519 has no tls-server-end-point") {
  const auto key = crypto::PrivateKey::generate(crypto::KeyType::ed25519).value();
  const auto pem = crypto::make_self_signed({.names = {"x.test"}, .not_before = now, .not_after = now + 24h}, key).value();
  auto options = server_options();
  options.certificates = {{pem, std::string(key.pem().view())}};
  // Whether such a certificate can be used at all depends on what the client takes; the binding is what counts here.
  const auto context = ServerContext::create(options);
  if (context) CHECK(Channel::server(*context, now).state() == ChannelState::handshaking);
}

TEST_CASE("tls: an idle connection holds little") {
  constexpr std::size_t pairs_open = 1'000;
  const auto server_context = ServerContext::create(server_options()).value();
  const auto client_context = ClientContext::create(client_options()).value();
  std::vector<Channel> servers;
  servers.reserve(pairs_open);
  std::vector<Channel> clients;
  clients.reserve(pairs_open);
  const auto before = mallinfo2().uordblks;
  {
    for (std::size_t i = 0; i < pairs_open; ++i) {
      Pair pair(server_context, client_context);
      pair.pump();
      REQUIRE(pair.is_open());
      CHECK(pair.server.send("220 ready\r\n") == 11);
      CHECK(pair.client.send("EHLO\r\n") == 6);
      pair.pump();
      servers.push_back(std::move(pair.server));
      clients.push_back(std::move(pair.client));
    }
  }
  const auto total = mallinfo2().uordblks - before;
  const auto both = mallinfo2().uordblks;
  clients.clear();
  const auto client_octets = (both - mallinfo2().uordblks) / pairs_open;
  const auto server_octets = total / pairs_open - client_octets;
  MESSAGE("octets held by an idle server channel: " << server_octets << ", client channel: " << client_octets);
  CHECK(server_octets <= 12 * 1024);
  CHECK(client_octets <= 16 * 1024);
}
