// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/autoreply/reply.hpp"

#include <doctest/doctest.h>

#include "keystonemail/base/text.hpp"
#include "keystonemail/mime/encoded_word.hpp"
#include "keystonemail/mime/header.hpp"
#include "keystonemail/mime/message_id.hpp"

using namespace keystonemail;
using namespace keystonemail::autoreply;

namespace {

std::string reply_to(std::string_view header, const Settings& settings = {.text = "I am away.\n"}, std::string from = "anna@example.test") {
  Answer answer{.from_name = "Anna", .from_address = std::move(from), .to = "carol@elsewhere.test", .hostname = "mail.example.test"};
  answer.unique = "abc123";
  answer.seed = 7;
  answer.header = header;
  answer.now = WallTime(std::chrono::hours(480'012));
  return build_reply(settings, answer);
}

std::string field(std::string_view message, std::string_view name) {
  const auto found = mime::find_field(message, name);
  return found ? mime::unfold(found->value) : "none";
}

std::string body(const std::string& message) { return message.substr(mime::header_octets(message)); }

}  // namespace

TEST_CASE("autoreply: the answer has the fields of RFC 3834 §3.1") {
  const std::string reply = reply_to("Subject: Lunch?\r\nMessage-ID: <1@elsewhere.test>\r\n\r\n");
  CHECK(field(reply, "From") == "Anna <anna@example.test>");
  CHECK(field(reply, "To") == "carol@elsewhere.test");
  CHECK(field(reply, "Subject") == "Auto: Lunch?");
  CHECK(field(reply, "Message-ID") == "<abc123@mail.example.test>");
  CHECK(field(reply, "In-Reply-To") == "<1@elsewhere.test>");
  CHECK(field(reply, "References") == "<1@elsewhere.test>");
  CHECK(field(reply, "Auto-Submitted") == "auto-replied");
  CHECK(field(reply, "Date") != "none");
  CHECK(field(reply, "Content-Type") == "text/plain; charset=us-ascii");
  CHECK(body(reply) == "I am away.\r\n");
}

TEST_CASE("autoreply: a subject of one's own stands alone; without either there is a usual one") {
  CHECK(field(reply_to("Subject: x\r\n\r\n", {.subject = "Gone fishing", .text = "x"}), "Subject") == "Gone fishing");
  CHECK(field(reply_to("Subject: \r\n\r\n"), "Subject") == "Automated reply");
  CHECK(field(reply_to("\r\n"), "Subject") == "Automated reply");
  const std::string greek = field(reply_to("Subject: x\r\n\r\n", {.subject = "Είμαι σε άδεια", .text = "x"}), "Subject");
  CHECK(is_ascii(greek));
  CHECK(mime::decode_text(greek) == "Είμαι σε άδεια");
}

TEST_CASE("E4 autoreply: what comes back of a message is a short piece of its subject, whole characters, one line") {
  std::string subject;
  for (int i = 0; i < 5'000; ++i) subject += "ü";
  const std::string reply = reply_to("Subject: " + mime::encode_text(subject) + "\r\n\r\n");
  const std::string got = mime::decode_text(field(reply, "Subject"));
  CHECK(is_utf8(got));
  CHECK(got.size() <= limits::quoted_subject_octets_max + 10);
  CHECK(got.starts_with("Auto: üü"));
  CHECK(reply.size() < 1'500);
  const std::string injected = reply_to("Subject: =?utf-8?Q?a=0D=0ABcc:_everybody@elsewhere.test?=\r\n\r\n");
  CHECK(field(injected, "Bcc") == "none");
}

TEST_CASE("autoreply: references are those of the message and its own, the first and the last of many") {
  const auto references = [](const std::string& header) { return field(reply_to(header + "Message-ID: <own@e.test>\r\n\r\n"), "References"); };
  CHECK(references("References: <a@e.test> <b@e.test>\r\nIn-Reply-To: <x@e.test>\r\n") == "<a@e.test> <b@e.test> <own@e.test>");
  CHECK(references("In-Reply-To: <x@e.test>\r\n") == "<x@e.test> <own@e.test>");
  CHECK(references("In-Reply-To: <x@e.test> <y@e.test>\r\n") == "<own@e.test>");
  std::string many = "References:";
  for (int i = 0; i < 900; ++i) many += "\r\n <" + std::to_string(i) + "@e.test>";
  const std::string kept = references(many + "\r\n");
  CHECK(mime::parse_message_ids(kept).size() == limits::references_max);
  CHECK(kept.starts_with("<0@e.test> <882@e.test>"));
  CHECK(kept.ends_with("<899@e.test> <own@e.test>"));
  CHECK(references("References: <" + std::string(300, 'x') + "@e.test> <ü@e.test>\r\n") == "<own@e.test>");
  CHECK(field(reply_to("Subject: x\r\nReferences: <a@e.test>\r\n\r\n"), "References") == "none");
}

TEST_CASE("autoreply: text in any script goes in 7 bits, and HTML beside it") {
  const std::string reply = reply_to("\r\n", {.text = "Ich bin verreist.\nViele Grüße"});
  CHECK(is_ascii(reply));
  CHECK(field(reply, "Content-Type") == "text/plain; charset=utf-8");
  const std::string both = reply_to("\r\n", {.text = "away", .html = "<p>away</p>"});
  CHECK(field(both, "Content-Type").starts_with("multipart/alternative;"));
  CHECK(field(reply_to("\r\n", {.html = "<p>away</p>"}), "Content-Type").starts_with("text/html"));
  CHECK(body(reply_to("\r\n", {})).starts_with("I am away, and will"));
  CHECK(!is_ascii(reply_to("\r\n", {}, "änne@example.test")));
}
