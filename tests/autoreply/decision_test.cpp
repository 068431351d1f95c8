// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Attack E4: who gets an automatic answer, by the rules of RFC 3834 §2 and RFC 5230 §4.5, §4.6.
#include "keystonemail/autoreply/decision.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace keystonemail;
using namespace keystonemail::autoreply;

namespace {

const std::vector<std::string> anna{"anna@example.test", "info@example.test"};
constexpr WallTime noon(std::chrono::hours(480'012));

struct Case {
  std::string fields = {};
  std::string sender = "carol@elsewhere.test";
  std::string to = "To: Anna <anna@example.test>\r\n";
  Proof proof = Proof::proven;
  bool is_spam = false, is_for_list = false;
  Settings settings = {.enabled = true};
};

Decision decide(const Case& given) {
  const std::string header = "From: Carol <carol@elsewhere.test>\r\n" + given.to + given.fields + "Subject: hello\r\n\r\n";
  Occasion occasion{.header = header, .sender = given.sender, .own = anna, .proof = given.proof};
  occasion.is_spam = given.is_spam;
  occasion.is_for_list = given.is_for_list;
  occasion.now = noon;
  return autoreply::decide(given.settings, occasion);
}

std::optional<Silence> silence(const Case& given) { return decide(given).silence; }
std::optional<Silence> with_field(const std::string& field) { return silence({.fields = field + "\r\n"}); }
std::optional<Silence> from(const std::string& sender) { return silence({.sender = sender}); }

}  // namespace

TEST_CASE("autoreply: a letter from one person to another is answered, by the address it was sent to") {
  const Decision letter = decide(Case{});
  CHECK(letter.answers());
  CHECK(letter.address == "anna@example.test");
  CHECK(decide({.to = "To: x@y.test\r\nCc: Info <INFO@Example.Test>\r\n"}).address == "info@example.test");
}

TEST_CASE("autoreply: only while it is switched on, from the first moment on and before the last") {
  const auto at = [](std::optional<WallTime> begin, std::optional<WallTime> end) {
    return silence({.settings = {.enabled = true, .from = begin, .until = end}});
  };
  const auto moment = std::chrono::milliseconds(1);
  CHECK(silence({.settings = {.enabled = false}}) == Silence::switched_off);
  CHECK(!at(noon, noon + moment));
  CHECK(!at(noon - moment, {}));
  CHECK(at(noon + moment, {}) == Silence::not_yet);
  CHECK(at({}, noon) == Silence::no_longer);
  CHECK(!at({}, noon + moment));
}

TEST_CASE("E4 autoreply: nothing goes to the null sender, nor to addresses that nobody reads") {
  CHECK(from("") == Silence::no_sender);
  CHECK(from("no address") == Silence::no_sender);
  for (const char* local : {"MAILER-DAEMON", "mailer-daemon+x", "owner-list", "list-owner", "list-request", "LISTSERV", "majordomo", "Mailman", "sympa", "noreply", "no-reply",
                            "No_Reply", "no.reply", "do-not-reply", "donotreply+123", "github-noreply", "noreply-7f3a", "bounce", "bounces", "bounces+anna=example.test",
                            "bounce-12345", "list-bounces", "users-return-42-anna=example.test", "daemon", "nobody", "prvs=1234abcdef=mailer-daemon", "autoreply"})
    CHECK_MESSAGE(from(std::string(local) + "@elsewhere.test") == Silence::robot_sender, local);
  for (const char* local : {"postmaster", "owner", "carol", "request", "prvs=1234abcdef=carol", "reply", "carol+list", "brownbounce", "lister"})
    CHECK_MESSAGE(!from(std::string(local) + "@elsewhere.test"), local);
}

TEST_CASE("E4 autoreply: nothing goes to oneself, in whatever spelling") {
  for (const char* sender : {"anna@example.test", "ANNA@EXAMPLE.TEST", "anna+x@example.test", "info@example.test", "prvs=0123456789=anna@example.test"})
    CHECK_MESSAGE(from(sender) == Silence::own_sender, sender);
  CHECK(!from("anna@elsewhere.test"));
}

TEST_CASE("E4 autoreply: Auto-Submitted other than no is never answered, however it is written") {
  for (const char* value : {"auto-replied", "auto-generated", "AUTO-GENERATED", "auto-replied (vacation)", "auto-notified; owner-email=\"x@y.test\"", "x-something", "",
                            "\r\n auto-replied", "(no) auto-replied", "none", "no-more"})
    CHECK_MESSAGE(with_field("Auto-Submitted: " + std::string(value)) == Silence::automatic, value);
  for (const char* value : {"no", "No", " no ", "no; x=y", "no (a person)", "(a person) no"})
    CHECK_MESSAGE(!with_field("Auto-Submitted:" + std::string(value)), value);
  CHECK(with_field("Auto-Submitted: no\r\nAuto-Submitted: auto-replied") == Silence::automatic);
}

TEST_CASE("E4 autoreply: lists and bulk mail are never answered") {
  for (const char* name : {"List-Id", "List-Help", "List-Subscribe", "List-Unsubscribe", "List-Post", "List-Owner", "List-Archive", "LIST-ID", "List-Unsubscribe-Post"})
    CHECK_MESSAGE(with_field(std::string(name) + ": <x.elsewhere.test>") == Silence::list, name);
  for (const char* value : {"bulk", "list", "junk", "Bulk", " junk (x)"}) CHECK_MESSAGE(with_field("Precedence: " + std::string(value)) == Silence::bulk, value);
  CHECK(!with_field("Precedence: first-class"));
  CHECK(!with_field("Listen: to me"));
  CHECK(silence({.is_for_list = true}) == Silence::list);
}

TEST_CASE("E4 autoreply: reports, other responders, and those who ask for no answer of a machine") {
  CHECK(with_field("Content-Type: multipart/report; report-type=delivery-status; boundary=x") == Silence::report);
  CHECK(with_field("Content-Type:\r\n\tMultipart/Report; report-type=disposition-notification") == Silence::report);
  CHECK(!with_field("Content-Type: multipart/mixed; boundary=report"));
  CHECK(with_field("X-Auto-Response-Suppress: DR, OOF, AutoReply") == Silence::automatic);
  CHECK(with_field("X-Auto-Response-Suppress: All") == Silence::automatic);
  CHECK(!with_field("X-Auto-Response-Suppress: DR, RN"));
  CHECK(with_field("X-Autoreply: yes") == Silence::automatic);
  CHECK(with_field("X-Autorespond: hello") == Silence::automatic);
}

TEST_CASE("E4 autoreply: spam, forged mail, and senders that nobody vouches for") {
  CHECK(silence({.is_spam = true}) == Silence::spam);
  CHECK(with_field("X-Spam-Flag: YES") == Silence::spam);
  CHECK(with_field("X-Spam-Status: Yes, score=9") == Silence::spam);
  CHECK(!with_field("X-Spam-Status: No, score=1"));
  CHECK(silence({.proof = Proof::forged}) == Silence::forged);
  CHECK(silence({.proof = Proof::unproven}) == Silence::unproven_sender);
}

TEST_CASE("E4 autoreply: only who is named in To, Cc or Bcc answers, there or in their Resent forms") {
  for (const char* name : {"To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"})
    CHECK_MESSAGE(!silence({.to = std::string(name) + ": x@y.test, Friends: anna@example.test;\r\n"}), name);
  CHECK(silence({.to = "To: undisclosed-recipients:;\r\n"}) == Silence::not_addressed);
  CHECK(silence({.to = ""}) == Silence::not_addressed);
  CHECK(silence({.to = "To: \"anna@example.test\" <x@y.test>\r\n"}) == Silence::not_addressed);
  CHECK(silence({.to = "Reply-To: anna@example.test\r\nTo: anna@example.test.elsewhere.test\r\n"}) == Silence::not_addressed);
}

TEST_CASE("autoreply: an address with a detail is that of the person; the one that stands there is preferred") {
  CHECK(decide({.to = "To: anna+shop@example.test\r\n"}).address == "anna@example.test");
  CHECK(decide({.to = "To: anna+shop@example.test, info@example.test\r\n"}).address == "info@example.test");
}

TEST_CASE("autoreply: every reason has words") {
  for (auto reason = 0; reason <= static_cast<int>(Silence::failed); ++reason) CHECK(!to_string(static_cast<Silence>(reason)).empty());
}

TEST_CASE("autoreply: one person has one key") {
  CHECK(person_key("Carol+1@Elsewhere.Test") == person_key("carol@elsewhere.test"));
  CHECK(person_key("prvs=0001abcdef=carol@elsewhere.test") == person_key("prvs=0002abcdef=carol@elsewhere.test"));
  CHECK(person_key("carol@elsewhere.test") != person_key("carl@elsewhere.test"));
  CHECK(person_key("+x@elsewhere.test") != person_key("+y@elsewhere.test"));
  CHECK(!person_key("x"));
  CHECK(!person_key(""));
}
