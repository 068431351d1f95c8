// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "imap/session_driver.hpp"

using namespace keystonemail::imap;

namespace {
std::vector<FetchAttribute> attributes(const Fetch& fetch) {
  std::vector<FetchAttribute> found;
  for (const auto& item : fetch.items) found.push_back(item.attribute);
  return found;
}
}  // namespace

TEST_CASE("imap fetch: items, macros and sets (RFC 9051 §6.4.5)") {
  SessionDriver driver;
  const auto fetch = driver.parse<Fetch>("FETCH 2:4 (FLAGS BODY[HEADER.FIELDS (DATE FROM)])");
  REQUIRE(fetch);
  CHECK(fetch->set.ranges == std::vector<NumberRange>{{2, 4}});
  REQUIRE(fetch->items.size() == 2);
  CHECK(fetch->items[1].section.part == SectionPart::header_fields);
  CHECK(fetch->items[1].section.fields == std::vector<std::string>{"DATE", "FROM"});
  CHECK(fetch->items[1].sets_seen());
  using enum FetchAttribute;
  CHECK(attributes(*driver.parse<Fetch>("fetch 1 fast")) == std::vector{flags, internal_date, rfc822_size});
  CHECK(attributes(*driver.parse<Fetch>("FETCH 1 ALL")) == std::vector{flags, internal_date, rfc822_size, envelope});
  CHECK(attributes(*driver.parse<Fetch>("FETCH 1 FULL")) == std::vector{flags, internal_date, rfc822_size, envelope, body});
  CHECK(attributes(*driver.parse<Fetch>("UID FETCH 1 BODYSTRUCTURE")) == std::vector{uid, body_structure});
  CHECK(attributes(*driver.parse<Fetch>("FETCH 1 (EMAILID THREADID SAVEDATE PREVIEW MODSEQ)")) ==
        std::vector{email_id, thread_id, save_date, preview, modseq});
}

TEST_CASE("imap fetch: sections, partials and BINARY") {
  SessionDriver driver;
  auto fetch = driver.parse<Fetch>("FETCH 1 BODY.PEEK[4.2.HEADER.FIELDS.NOT (X \"Y z\")]<10.20>");
  REQUIRE(fetch);
  const auto& item = fetch->items[0];
  CHECK(item.peek);
  CHECK(item.section.path == std::vector<std::uint32_t>{4, 2});
  CHECK(item.section.part == SectionPart::header_fields_not);
  CHECK(item.section.fields[1] == "Y z");
  CHECK(item.partial == Partial{10, 20});
  CHECK(driver.parse<Fetch>("FETCH 1 BODY[4.2.2.MIME]")->items[0].section.part == SectionPart::mime);
  CHECK(driver.parse<Fetch>("FETCH 1 BINARY.PEEK[1.2]<0.5>")->items[0].attribute == FetchAttribute::binary);
  CHECK(driver.parse<Fetch>("FETCH 1 BINARY.SIZE[1]")->items[0].peek);
  CHECK(driver.parse<Fetch>("FETCH 1 RFC822.HEADER")->items[0].name == SectionName::rfc822_header);
  CHECK(driver.parse<Fetch>("FETCH 1 (PREVIEW (LAZY) UID)")->items[0].lazy);
}

TEST_CASE("imap fetch: CHANGEDSINCE makes CONDSTORE-aware, VANISHED needs QRESYNC (RFC 7162)") {
  SessionDriver driver;
  CHECK_FALSE(driver.session->features().condstore);
  CHECK(driver.parse<Fetch>("UID FETCH 300:500 (FLAGS) (CHANGEDSINCE 12345)")->changed_since == 12345);
  CHECK(driver.session->features().condstore);
  CHECK(driver.refused("UID FETCH 300:500 (FLAGS) (CHANGEDSINCE 12345 VANISHED)"));
  driver.send("e ENABLE QRESYNC\r\n");
  CHECK(driver.parse<Fetch>("UID FETCH 300:500 (FLAGS) (CHANGEDSINCE 12345 VANISHED)")->vanished);
  CHECK(driver.refused("FETCH 300:500 (FLAGS) (CHANGEDSINCE 12345 VANISHED)"));
  CHECK(driver.refused("UID FETCH 300:500 (FLAGS) (VANISHED)"));
}

TEST_CASE("imap fetch: what the grammar does not have is BAD") {
  SessionDriver driver;
  for (const auto* line :
       {"FETCH", "FETCH 1", "FETCH 1 ()", "FETCH 1 (FLAGS", "FETCH 1 (FLAGS  UID)", "FETCH 1 FLAGS UID", "FETCH 0 FLAGS",
        "FETCH 1, FLAGS", "FETCH 1:x FLAGS", "FETCH 4294967296 FLAGS", "FETCH 1 BODY[", "FETCH 1 BODY[]<1>",
        "FETCH 1 BODY[]<1.0>", "FETCH 1 BODY[MIME]", "FETCH 1 BODY[1.]", "FETCH 1 BODY[0]", "FETCH 1 BODY[1.FOO]",
        "FETCH 1 BODY[HEADER.FIELDS ()]", "FETCH 1 BINARY[TEXT]", "FETCH 1 BINARY", "FETCH 1 NOSUCH", "FETCH 1 (ALL)",
        "FETCH 1 FLAGS (CHANGEDSINCE)", "FETCH 1 FLAGS (NOSUCH 1)"}) {
    CAPTURE(line);
    CHECK(driver.refused(line));
  }
}
