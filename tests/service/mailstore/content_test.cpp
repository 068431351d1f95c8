// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <doctest/doctest.h>

#include <algorithm>

#include "keystonemail/codec/base64.hpp"
#include "service/mailstore/content.hpp"
#include "service/mailstore/note.hpp"
#include "service/mailstore/rows.hpp"
#include "service/mailstore/sip_hash.hpp"
#include "service/mailstore/store_fixture.hpp"

using namespace keystonemail;
using conformance::MailDriver;

namespace {

std::string noise(std::size_t octets, std::uint64_t seed) {
  std::string out(octets, '\0');
  for (char& c : out) seed = seed * 6364136223846793005ULL + 1442695040888963407ULL, c = static_cast<char>(seed >> 56);
  std::ranges::replace(out, '\0', 'n');  // a part with it would be kept in base64
  return out;
}

std::string with_attachment(std::string_view subject, const std::string& octets, codec::Base64Layout layout) {
  return std::string("Subject: ").append(subject)
      .append("\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\n\r\nSee attached.\r\n"
              "--b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n")
      .append(codec::encode_base64(octets, layout)).append("\r\n--b--\r\n");
}

struct Opened : test::MemoryStore {
  explicit Opened(service::MailStoreOptions options = {}) : MemoryStore(options), driver(store(), loop) { driver.create(); }
  std::size_t rows(kv::Table table) {
    auto snapshot = loop.run_until(kv->snapshot(Context{&loop}));
    return loop.run_until((*snapshot)->scan(table, {.rows_max = 10'000}))->size();
  }
  MailDriver driver;
};

}  // namespace

TEST_CASE("content: an attachment is read back exactly, from any offset, in any layout") {
  Opened s;
  using LineEnd = codec::Base64Layout::LineEnd;
  for (const auto layout : {codec::Base64Layout{76, LineEnd::crlf, 0}, codec::Base64Layout{76, LineEnd::crlf, 1},
                            codec::Base64Layout{64, LineEnd::lf, 2}, codec::Base64Layout{0, LineEnd::crlf, 0}}) {
    for (const std::size_t octets : {11'400U, 11'401U, 11'402U, 30'000U}) {
      const std::string message = with_attachment("x", noise(octets, octets), layout);
      const auto email = s.driver.append(s.driver.id("INBOX"), message).emails.front();
      REQUIRE(s.driver.read(email) == message);
      auto reader = s.driver.must(s.driver.store.open(s.driver.account, email, s.driver.context()));
      for (std::size_t at = 0; at < message.size(); at += 97) {
        const auto piece = s.driver.must(reader->read(at, 131, s.driver.context()));
        REQUIRE(piece == std::string_view(message).substr(at, 131));
      }
      CHECK(s.driver.read(email, 1000) == message);
      CHECK(s.driver.must(reader->read(message.size(), 10, s.driver.context())).empty());
    }
  }
  CHECK(s.rows(test::blob_table) > 0);
}

TEST_CASE("content: an attachment of many units is read in steps of any size, from any place") {
  Opened s;
  using LineEnd = codec::Base64Layout::LineEnd;
  for (const auto layout : {codec::Base64Layout{76, LineEnd::crlf, 1}, codec::Base64Layout{60, LineEnd::lf, 200},
                            codec::Base64Layout{150'000, LineEnd::crlf, 0}, codec::Base64Layout{0, LineEnd::crlf, 3}}) {
    for (const std::size_t octets : {196'608U, 196'609U, 131'074U}) {
      const std::string message = with_attachment("x", noise(octets, octets), layout);
      const auto email = s.driver.append(s.driver.id("INBOX"), message).emails.front();
      for (const std::size_t step : {1U, 3U, 7'000U, 65'536U, 87'382U, 262'144U}) {
        auto reader = s.driver.must(s.driver.store.open(s.driver.account, email, s.driver.context()));
        for (const std::size_t from : {std::size_t{0}, std::size_t{87'000}, octets - 1, message.size() - 300}) {
          std::size_t at = from;
          for (unsigned i = 0; i < 500 && at < message.size(); ++i) {
            const auto piece = s.driver.must(reader->read(at, step, s.driver.context()));
            REQUIRE(!piece.empty());
            REQUIRE(piece == std::string_view(message).substr(at, std::min(step, piece.size())));
            at += piece.size();
          }
        }
      }
    }
  }
}

TEST_CASE("content: equal attachments in different messages are one blob, which goes with the last of them") {
  Opened s({.notes = service::Notes::none});
  const std::string octets = noise(50'000, 1);
  const codec::Base64Layout layout{.line_octets = 76};
  s.driver.add("INBOX", with_attachment("one", octets, layout));
  const std::size_t before = s.rows(test::blob_table);
  s.driver.add("INBOX", with_attachment("two", octets, codec::Base64Layout{.line_octets = 64}));
  CHECK(s.rows(test::blob_table) == before);
  s.driver.flags("INBOX", {1}, mailstore::FlagAction::add, {}, true);
  s.driver.expunge("INBOX");
  CHECK(s.driver.read(s.driver.row("INBOX", 2).email).size() > 60'000);
  s.driver.flags("INBOX", {2}, mailstore::FlagAction::add, {}, true);
  s.driver.expunge("INBOX");
  CHECK(s.rows(test::blob_table) == 0);
}

TEST_CASE("content: base64 that could not be written again exactly is kept as it stands") {
  Opened s;
  std::string message = with_attachment("x", noise(20'000, 3), {.line_octets = 76});
  message.insert(message.size() / 2, " ");
  CHECK(s.driver.read(s.driver.append(s.driver.id("INBOX"), message).emails.front()) == message);
}

TEST_CASE("content: messages of every size around the limits are read back") {
  Opened s;
  for (const std::size_t octets : {1'000U, 1'700U, 1'900U, 4'000U, 8'191U, 8'192U, 8'193U, 20'000U, 300'000U}) {
    const std::string text = "Subject: size\r\n\r\n" + noise(octets, octets);
    const auto email = s.driver.append(s.driver.id("INBOX"), text).emails.front();
    CHECK(s.driver.read(email) == text);
    CHECK(s.driver.read(email, 777) == text);
  }
}

TEST_CASE("content: damaged records are refused, cut anywhere or changed anywhere") {
  service::Content content;
  content.literal = "Subject: hello\r\n\r\nHello, hello, hello, hello.\r\n";
  content.blobs.push_back({{}, 9'000});
  content.pieces.push_back({.kind = service::Piece::Kind::literal, .octets = content.literal.size()});
  content.pieces.push_back({.kind = service::Piece::Kind::blob, .octets = 9'000});
  const std::string record = content.encode();
  REQUIRE(service::Content::decode(record).has_value());
  CHECK(service::Content::decode(record)->octets() == content.octets());
  for (std::size_t cut = 0; cut < record.size(); ++cut) CHECK(!service::Content::decode(record.substr(0, cut)).has_value());
  for (std::size_t at = 0; at < record.size(); ++at) {
    for (const char c : {'\0', '\x7f', '\xff'}) {
      std::string changed = record;
      changed[at] = c;
      (void)service::Content::decode(changed);  // whatever it says, it reads nothing outside
    }
  }
}

TEST_CASE("rows: a message row survives its encoding, and shorter ones are refused") {
  service::MessageRecord record;
  record.email = 7, record.thread = 5, record.modseq = 1ULL << 40, record.created = 3, record.size = 99;
  record.system = 3, record.deleted = true, record.listed = true, record.received = -5;
  mailstore::KeywordSet keywords;
  keywords.add(300);
  keywords.add(2);
  const std::string numbers = service::encode_numbers(keywords);
  record.numbers = numbers;
  const std::string row(std::string_view(record.encode()));
  const auto read = service::MessageRecord::read(row);
  REQUIRE(read.has_value());
  CHECK(read->modseq == record.modseq);
  CHECK(read->received == -5);
  CHECK(read->deleted);
  CHECK(read->listed);
  CHECK(service::keywords_of(*read).numbers() == std::vector<mailstore::KeywordNumber>{2, 300});
  for (std::size_t cut = 0; cut < row.size(); ++cut) CHECK(!service::MessageRecord::read(row.substr(0, cut)));
}

TEST_CASE("B10: message ids are hashed by SipHash-2-4 under the store's own key") {
  // The reference vector of the SipHash paper, appendix A.
  const service::SipKey key{0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL};
  const std::string input("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e", 15);
  CHECK(service::sip_hash(key, input) == 0xa129ca6149be45e5ULL);
}

namespace {

// The note of an email, where one is kept.
std::optional<service::Note> note_of(Opened& s, mailstore::EmailId email) {
  const service::StoreCore& core = s.mail->core();
  const auto snapshot = s.loop.run_until(s.kv->snapshot(Context{&s.loop}));
  const auto row = s.loop.run_until((*snapshot)->get(core.tables.email, service::Key(s.driver.account, email)));
  const auto record = service::EmailRecord::read(**row);
  std::string stored(record->content);
  if (record->content_apart) {
    stored = **s.loop.run_until((*snapshot)->get(core.tables.content, service::Key(s.driver.account, email)));
  }
  const auto content = service::Content::decode(stored).value();
  if (content.blobs.empty()) return std::nullopt;
  const auto octets = s.loop.run_until(s.blobs->read(**snapshot, content.blobs.back().id, 0, 1 << 20)).value();
  auto note = service::decode_note(octets);
  if (!note) return std::nullopt;
  return *std::move(note);
}

}  // namespace

TEST_CASE("notes: of a larger message its account, mailbox, time and recipe lie apart, and go when it goes") {
  Opened s;
  const std::string message = with_attachment("x", noise(20'000, 3), {.line_octets = 76});
  s.driver.must(s.driver.store.create_mailbox(s.driver.account, {.path = "Work/2026"}, s.driver.context()));
  const auto email = s.driver.append(s.driver.id("Work/2026"), message).emails.front();
  const auto note = note_of(s, email);
  REQUIRE(note.has_value());
  CHECK(note->where.account == s.driver.account);
  CHECK(note->where.mailbox == "Work/2026");
  CHECK(note->where.received == s.driver.row("Work/2026", 1).received.time_since_epoch().count());
  auto reader = service::make_content_reader(*s.kv, *s.blobs, note->content);
  CHECK(s.driver.must(reader->read(0, 1 << 20, s.driver.context())) == message);
  s.driver.flags("Work/2026", {1}, mailstore::FlagAction::add, {}, true);
  s.driver.expunge("Work/2026");
  CHECK(s.rows(test::blob_table) == 0);
}

TEST_CASE("notes: of a small message there is one only when all are wanted, and of none when none is") {
  const std::string small = "Subject: x\r\n\r\nhello\r\n";
  const std::string large = "Subject: x\r\n\r\n" + std::string(20'000, 'x') + "\r\n";
  const auto kept = [&](service::Notes notes, const std::string& text) {
    Opened s({.notes = notes});
    const auto email = s.driver.append(s.driver.id("INBOX"), text).emails.front();
    CHECK(s.driver.read(email) == text);
    return note_of(s, email).has_value();
  };
  CHECK(!kept(service::Notes::none, large));
  CHECK(!kept(service::Notes::larger, small));
  CHECK(kept(service::Notes::larger, large));
  CHECK(kept(service::Notes::all, small));
}

TEST_CASE("notes: what is cut short, goes on too long or is something else is no note") {
  service::Content content{.literal = "Subject: x\r\n\r\n", .blobs = {}, .pieces = {{.octets = 14}}};
  const std::string octets = service::encode_note({.account = mailstore::AccountId{7}, .mailbox = "INBOX", .received = 1}, content);
  CHECK(service::decode_note(octets).has_value());
  for (std::size_t n = 0; n < octets.size(); ++n) CHECK(!service::decode_note(octets.substr(0, n)));
  CHECK(!service::decode_note(octets + "x"));
  CHECK(!service::looks_like_note("Subject: x"));
}
