// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <string>

#include "imap/session_driver.hpp"
#include "keystonemail/mime/message.hpp"
#include "keystonemail/mime/summary.hpp"

using namespace keystonemail::imap;
namespace mime = keystonemail::mime;

namespace {

// What a writer writes under `features`.
template <class Write>
std::string written(Write write, Features features = {}) {
  std::string out;
  ResponseWriter writer(out, features);
  write(writer);
  return out;
}

template <class Write>
std::string fetched(Write write, Features features = {}) {
  auto line = written([&](ResponseWriter& out) { out.begin_fetch(1); write(out); out.end_fetch(); }, features);
  REQUIRE(line.starts_with("* 1 FETCH ("));
  REQUIRE(line.ends_with(")\r\n"));
  return line.substr(11, line.size() - 14);
}

constexpr Features rev2{.imap4rev2 = true};

}  // namespace

TEST_CASE("imap response: status lines and codes") {
  CHECK(written([](auto& out) { out.status(StatusKind::ok, ResponseCode::uid_validity(38), "UIDs\r\nvalid"); }) ==
        "* OK [UIDVALIDITY 38] UIDs??valid\r\n");
  CHECK(ResponseCode::permanent_flags({.system = 17}, true).text() == "PERMANENTFLAGS (\\Seen \\Deleted \\*)");
  const std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs{{304, 3956}, {319, 3957}, {320, 3958}};
  CHECK(ResponseCode::copy_uid(38505, pairs).text() == "COPYUID 38505 304,319:320 3956:3958");
  const NumberRange uids[] = {{3955, 3955}};
  CHECK(ResponseCode::append_uid(38505, uids).text() == "APPENDUID 38505 3955");
  CHECK(ResponseCode::bad_charset({"US-ASCII", "UTF-8"}).text() == "BADCHARSET (US-ASCII UTF-8)");
}

TEST_CASE("imap response: SEARCH or ESEARCH, as asked and enabled") {
  const NumberRange found[] = {{2, 2}, {4, 6}};
  SearchResult result{.numbers = found};
  const auto text = [&](Features features = {}) { return written([&](auto& out) { out.search("A1", result); }, features); };
  CHECK(text() == "* SEARCH 2 4 5 6\r\n");
  CHECK(text(rev2) == "* ESEARCH (TAG \"A1\") ALL 2,4:6\r\n");
  result.highest_modseq = 917162500;
  CHECK(text() == "* SEARCH 2 4 5 6 (MODSEQ 917162500)\r\n");
  result.give = {.given = true, .min = true, .max = true, .count = true};
  result.kind = NumberKind::uid;
  CHECK(text() == "* ESEARCH (TAG \"A1\") UID MIN 2 MAX 6 COUNT 4 MODSEQ 917162500\r\n");
  result.numbers = {};
  CHECK(text() == "* ESEARCH (TAG \"A1\") UID COUNT 0\r\n");
  result.give = {.given = true, .save = true};
  CHECK(text().empty());
}

TEST_CASE("imap response: LIST, STATUS and names in either mode") {
  const SpecialUse uses[] = {SpecialUse::sent};
  const ListEntry entry{.attributes = 16 | 32, .special_uses = uses, .mailbox = "Entw\xc3\xbcrfe \"x\""};
  CHECK(written([&](auto& out) { out.list(entry); }) ==
        "* LIST (\\HasNoChildren \\Subscribed \\Sent) \"/\" \"Entw&APw-rfe \\\"x\\\"\"\r\n");
  CHECK(written([&](auto& out) { out.list(entry); }, rev2) ==
        "* LIST (\\HasNoChildren \\Subscribed \\Sent) \"/\" \"Entw\xc3\xbcrfe \\\"x\\\"\"\r\n");
  CHECK(written([](auto& out) { out.list({.mailbox = "a", .child_info_subscribed = true, .old_name = "b"}); }) ==
        "* LIST () \"/\" a (\"CHILDINFO\" (\"SUBSCRIBED\") \"OLDNAME\" (b))\r\n");
  CHECK(written([](auto& out) { out.list({.mailbox = "nil"}); }) == "* LIST () \"/\" \"nil\"\r\n");
  CHECK(written([](auto& out) { out.status_data("a&b", {.messages = 231, .uid_next = 44292, .mailbox_id = "F1"}); }) ==
        "* STATUS a&-b (MESSAGES 231 UIDNEXT 44292 MAILBOXID (F1))\r\n");
  CHECK(written([](auto& out) { out.personal_namespace("", '/'); }) == "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
  CHECK(written([](auto& out) { out.recent(1); }, rev2).empty());
  const NumberRange gone[] = {{41, 41}, {43, 116}};
  CHECK(written([&](auto& out) { out.vanished(gone, ResponseWriter::Vanished::earlier); }) == "* VANISHED (EARLIER) 41,43:116\r\n");
}

TEST_CASE("imap response: FETCH items") {
  const std::string_view keywords[] = {"$Forwarded"};
  CHECK(fetched([&](auto& out) { out.uid(7); out.flags({.system = 3, .keywords = keywords, .recent = true}); out.modseq(12); }) ==
        "UID 7 FLAGS (\\Seen \\Answered \\Recent $Forwarded) MODSEQ (12)");
  CHECK(fetched([](auto& out) { out.internal_date({}); out.rfc822_size(44827); }) ==
        "INTERNALDATE \"01-Jan-1970 00:00:00 +0000\" RFC822.SIZE 44827");
  CHECK(fetched([](auto& out) { out.thread_id({}); out.email_id("M1"); out.save_date({}); out.preview("a \"b\""); }) ==
        "THREADID NIL EMAILID (M1) SAVEDATE NIL PREVIEW \"a \\\"b\\\"\"");
  FetchItem item{.attribute = FetchAttribute::section, .section = {.path = {4, 1}, .part = SectionPart::header_fields, .fields = {"To"}}};
  item.partial = Partial{10, 5};
  CHECK(fetched([&](auto& out) { out.section(item, "abcde"); }) == "BODY[4.1.HEADER.FIELDS (To)]<10> {5}\r\nabcde");
  CHECK(fetched([&](auto& out) { out.begin_section(item, 4); out.append("ab"); out.append("cd"); }).ends_with("{4}\r\nabcd"));
  CHECK(fetched([&](auto& out) { out.begin_section(item, 4); out.append("ab"); out.skip(2); }).ends_with("{4}\r\nab"));
  item = {.attribute = FetchAttribute::binary, .section = {.path = {1}}};
  CHECK(fetched([&](auto& out) { out.section(item, std::string_view("a\0b", 3)); }) == std::string("BINARY[1] ~{3}\r\na\0b", 19));
  CHECK(fetched([&](auto& out) { out.section_nil(item); }) == "BINARY[1] NIL");
}

TEST_CASE("imap response: a line of FETCH FLAGS is the same in one step as in several") {
  const std::string_view keywords[] = {"a", "b"};
  for (unsigned system = 0; system < 32; ++system) {
    for (const bool recent : {false, true}) {
      const FlagView flags{.system = static_cast<std::uint8_t>(system), .keywords = keywords, .recent = recent};
      CHECK(written([&](auto& out) { out.fetch_flags(9, 8, flags, 7); }) ==
            written([&](auto& out) { out.begin_fetch(9); out.uid(8); out.flags(flags); out.modseq(7); out.end_fetch(); }));
    }
  }
  CHECK(written([](auto& out) { out.fetch_flags(1, {}, {}, {}); }) == "* 1 FETCH (FLAGS ())\r\n");
}

TEST_CASE("imap response: ENVELOPE has groups, NIL and literals where they belong") {
  const std::string raw =
      "Date: Wed, 17 Jul 1996 02:23:25 -0700\r\nFrom: Terry Gray <gray@cac.washington.edu>\r\nSubject: \xe4\r\n"
      "To: g:a@b;\r\nMessage-ID: <B27397-0100000@cac.washington.edu>\r\n\r\nx\r\n";
  const auto kept = mime::encode_summary(mime::Message::parse(raw));
  const mime::Summary summary(kept);
  const auto text = fetched([&](auto& out) { out.envelope(summary.envelope()); });
  CHECK(text == "ENVELOPE (\"Wed, 17 Jul 1996 02:23:25 -0700\" {1}\r\n\xe4 ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
                "((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) "
                "((NIL NIL \"g\" NIL)(NIL NIL \"a\" \"b\")(NIL NIL NIL NIL)) NIL NIL NIL \"<B27397-0100000@cac.washington.edu>\")");
}

TEST_CASE("imap response: BODYSTRUCTURE of multiparts and messages inside messages") {
  const std::string raw =
      "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nhello\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
      "Subject: in\r\n\r\nbody\r\n--b--\r\n";
  const auto kept = mime::encode_summary(mime::Message::parse(raw));
  const auto parts = mime::Summary(kept).parts();
  CHECK(fetched([&](auto& out) { out.body(parts); }) ==
        "BODY ((\"text\" \"plain\" NIL NIL NIL \"7BIT\" 5 1)(\"message\" \"rfc822\" NIL NIL NIL \"7BIT\" 19 "
        "(NIL \"in\" NIL NIL NIL NIL NIL NIL NIL NIL) (\"text\" \"plain\" NIL NIL NIL \"7BIT\" 4 1) 3) \"mixed\")");
  const auto structure = fetched([&](auto& out) { out.body_structure(parts); });
  CHECK(structure.ends_with(" \"mixed\" (\"boundary\" \"b\") NIL NIL NIL)"));
}
