// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <doctest/doctest.h>

#include <optional>

#include "service/mailstore/staged_message.hpp"
#include "service/mailstore/store_fixture.hpp"

using namespace keystonemail;
using conformance::MailDriver;

namespace {
struct Posted : test::MemoryStore {
  Posted() : MemoryStore({}, memory::Completion::posted) {}
};
service::MailStoreOptions options_with_spool(std::size_t octets) {
  service::MailStoreOptions options;
  options.spool_octets_min = octets;
  options.staging_octets_max = 64 * 1024;
  return options;
}
struct Spooled : test::MemoryStore {
  Spooled() : MemoryStore(options_with_spool(0)) {}
};
}  // namespace

TEST_CASE("mail store: conforms on memory") { conformance::mailstore<test::MemoryStore>(); }
TEST_CASE("mail store: conforms on an engine that completes later") { conformance::mailstore<Posted>(); }
TEST_CASE("mail store: conforms when every message is laid aside first") { conformance::mailstore<Spooled>(); }

TEST_CASE("mail store: a message is the same whether it was laid aside or not, prefixes and attachments included") {
  std::string base64;
  for (int line = 0; line < 400; ++line) base64 += std::string(76, static_cast<char>('A' + line % 26)) + "\r\n";
  const std::string mixed =
      "Subject: m\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n"
      "Content-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64 + "\r\n--b--\r\n";
  for (const std::string& raw : {std::string("Subject: plain\r\n\r\n") + std::string(50'000, 'x'), mixed,
                                 " folded\r\n\r\n" + std::string(20'000, 'y')}) {
    for (const std::string& prefix : {std::string(), std::string("Return-Path: <a@b>\r\nReceived: by c\r\n"),
                                      std::string("Received: by c\r\nDate: Mon, 5 Jan 2026 12:00:00 +0100\r\n")}) {
      std::optional<std::string> row, content;
      for (const std::size_t spool_octets : {std::size_t{0}, std::size_t{10'000}, SIZE_MAX}) {
        test::MemoryStore s(options_with_spool(spool_octets));
        MailDriver d(*s.mail, s.loop);
        d.create();
        const auto staged = d.stage(raw, 777);
        auto& kv_staged = dynamic_cast<service::KvStagedMessage&>(*staged);
        const auto email = d.must(kv_staged.prepare(prefix, {}, d.context()));
        CHECK(email.octets == prefix.size() + raw.size());
        if (!row) row = email.row, content = email.content;
        CHECK(email.row == *row);
        CHECK(email.content == *content);
        CHECK(s.mail->core().staging.taken() == 0);
      }
    }
  }
}
