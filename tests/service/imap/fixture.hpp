// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A whole IMAP service on pipes in virtual time, with the default store in memory. A Client's say() sends lines and
// returns what the server answered.
#pragma once

#include <doctest/doctest.h>

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "keystonemail/backends/memory/blob_store.hpp"
#include "keystonemail/backends/memory/kv_store.hpp"
#include "keystonemail/service/imap/service.hpp"
#include "keystonemail/service/mailstore/kv_mail_store.hpp"
#include "keystonemail/transport/pipe.hpp"
#include "support/fake_directory.hpp"
#include "support/pipe_stream.hpp"
#include "support/sim_executor.hpp"
#include "support/text_log.hpp"

namespace keystonemail::service::imap::testing {

inline std::vector<std::string> table_names() {
  std::vector<std::string> names;
  for (const auto name : service::mail_store_tables()) names.emplace_back(name);
  names.emplace_back("blob");
  return names;
}

class ImapFixture {
 public:
  // One connection, seen from outside.
  class Client {
   public:
    Client(ImapFixture& fixture, test::StreamFaults faults, const char* from) : fixture_(fixture) {
      auto pipe = transport::make_pipe({.client = *Endpoint::parse(from), .server = *Endpoint::parse("192.0.2.25:143"),
                                        .capacity = fixture.pipe_octets});
      stream = std::move(pipe.client);
      session.emplace(fixture.service->serve(std::make_unique<test::FaultyStream>(std::move(pipe.server), faults),
                                             {&fixture.executor, fixture.stop.get_token()}));
    }
    ~Client() { finish(); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // What has been answered, once the server has nothing more to do.
    std::string heard() {
      std::string out;
      for (;;) {
        fixture_.executor.run_until_idle();
        const auto view = fixture_.executor.run(stream->read({&fixture_.executor, {}, fixture_.executor.now()}));
        if (!view || view->empty()) return out;
        out += *view;
        stream->consume(view->size());
      }
    }
    void send(std::string_view text) {
      for (std::size_t at = 0; at < text.size(); at += 32'768) {
        auto write = transport::write_all(*stream, text.substr(at, 32'768), {&fixture_.executor});
        fixture_.executor.run_until_idle();
        while (!write.done()) pending_ += heard();
        (void)write.take();
      }
    }
    std::string say(std::string_view text) {
      send(text);
      return std::exchange(pending_, {}) + heard();
    }
    // Logs in and throws away what that says.
    Client& log_in(const std::string& user = "alice@example.test", const std::string& password = "secret of alice") {
      const std::string answer = say("l LOGIN " + user + " \"" + password + "\"\r\n");
      REQUIRE_MESSAGE(answer.find("l OK") != std::string::npos, answer);
      return *this;
    }
    Client& select(const std::string& mailbox = "INBOX") {
      const std::string answer = say("s SELECT " + mailbox + "\r\n");
      REQUIRE_MESSAGE(answer.find("s OK") != std::string::npos, answer);
      return *this;
    }
    std::string append(std::string_view message, const std::string& arguments = "") {
      return say("a APPEND INBOX " + arguments + "{" + std::to_string(message.size()) + "+}\r\n" + std::string(message) + "\r\n");
    }
    void finish() {
      stream.reset();
      fixture_.executor.run_until_idle();
      if (session) {
        if (!session->done()) fixture_.executor.run(std::move(*session));
        session.reset();
      }
    }
    [[nodiscard]] bool over() const { return session->done(); }

    std::unique_ptr<transport::ByteStream> stream;
    std::optional<Task<void>> session;

   private:
    ImapFixture& fixture_;
    std::string pending_;
  };

  explicit ImapFixture(Options options = {.allow_plaintext_auth = true}) {
    directory.add(1, "alice@example.test", "secret of alice");
    directory.add(2, "bob@example.test", "secret of bob");
    mail = *executor.run(service::KvMailStore::open(*kv, *blobs, random, {}, context));
    for (std::uint32_t id : {1U, 2U}) REQUIRE(executor.run(mail->create_account(mailstore::AccountId{id}, {}, context)));
    start(std::move(options));
  }
  void start(Options options) {
    service = std::make_unique<Service>(std::move(options), Services{*mail, logins, limits, random, log, tls});
  }
  Client& connect(test::StreamFaults faults = {}, const char* from = "192.0.2.1:4000") {
    return clients.emplace_back(*this, faults, from);
  }
  // Logged in, INBOX selected.
  Client& open() {
    Client& client = connect();
    (void)client.heard();
    return client.log_in().select();
  }

  test::SimExecutor executor;
  Context context{&executor};
  std::stop_source stop;
  std::size_t pipe_octets = 64 * 1024;
  test::FakeDirectory directory;
  SeededRandom random{1};
  access::LoginGate gate{{}};
  access::LoginServices logins{directory, gate, random, "0123456789abcdef"};
  access::ConnectionLimits limits{{}};
  keystonemail::test::TextLog log;
  TlsProvider tls;
  std::unique_ptr<kv::Store> kv = memory::make_kv_store({.tables = table_names()});
  std::unique_ptr<blob::Store> blobs =
      memory::make_blob_store({.table = static_cast<kv::Table>(service::mail_store_tables().size())});
  std::unique_ptr<service::KvMailStore> mail;
  std::unique_ptr<Service> service;
  std::list<Client> clients;
};

inline bool has(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

}  // namespace keystonemail::service::imap::testing
