// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "smtp/parameter_parser.hpp"

#include <doctest/doctest.h>

using namespace keystonemail;
using namespace keystonemail::smtp;
using namespace std::chrono_literals;

namespace {

struct Rules {
  ServerOptions options;
  bool secure = true, auth_offered = true;

  Rules() {
    options.offer_require_tls_extension = options.offer_deliver_by = options.offer_mt_priority = true;
    options.future_release_max = 86'400s;
    options.message_octets_max = 1'000;
  }
  std::expected<MailParameters, PeerFault> mail(std::string_view text) const {
    return parse_mail_parameters(text, {options, secure, auth_offered});
  }
  std::expected<RcptParameters, PeerFault> rcpt(std::string_view text) const {
    return parse_rcpt_parameters(text, {options, secure, auth_offered});
  }
};

}  // namespace

TEST_CASE("parameters: all that MAIL knows, together, in any case and order") {
  const auto found = Rules().mail(" size=1000 Body=8bitmime SMTPUTF8 RET=hdrs ENVID=a+2Bb AUTH=x+2By@z.test REQUIRETLS BY=60;RT "
                                  "MT-PRIORITY=-3 HOLDFOR=60");
  REQUIRE(found.has_value());
  CHECK(found->size == 1'000u);
  CHECK(found->body == BodyType::eight_bit_mime);
  CHECK(found->smtputf8);
  CHECK(found->require_tls);
  CHECK(found->dsn_return == DsnReturn::headers);
  CHECK(found->envelope_id == "a+b");
  CHECK(found->auth->to_string() == "x+y@z.test");
  CHECK(found->deliver_by == DeliverBy{60s, DeliverByMode::return_to_sender, true});
  CHECK(found->priority == -3);
  CHECK(found->hold_for == 60s);
  CHECK(Rules().mail("").has_value());
  CHECK(Rules().mail(" AUTH=<>")->auth->is_null());
}

TEST_CASE("parameters: SIZE is a number of at most 20 digits, and within what the server takes (RFC 1870)") {
  CHECK(Rules().mail(" SIZE=0")->size == 0u);
  CHECK(Rules().mail(" SIZE=1001").error() == PeerFault::message_too_large);
  CHECK(Rules().mail(" SIZE=99999999999999999999").error() == PeerFault::message_too_large);
  for (const char* text : {" SIZE=", " SIZE", " SIZE=-1", " SIZE=1x", " SIZE=+1", " SIZE=000000000000000000001"}) {
    CAPTURE(text);
    CHECK(Rules().mail(text).error() == PeerFault::bad_parameter);
  }
}

TEST_CASE("parameters: DELIVERBY (RFC 2852 §4)") {
  CHECK(Rules().mail(" BY=-120;N")->deliver_by == DeliverBy{-120s, DeliverByMode::notify, false});
  CHECK(Rules().mail(" BY=+120;nt")->deliver_by == DeliverBy{120s, DeliverByMode::notify, true});
  CHECK(Rules().mail(" BY=999999999;R").has_value());
  for (const char* text : {" BY=120", " BY=120;", " BY=;R", " BY=120;X", " BY=120;RX", " BY=120;RTT", " BY=0;R", " BY=-1;R",
                           " BY=1000000000;R", " BY=--1;N", " BY=1.5;N"}) {
    CAPTURE(text);
    CHECK(Rules().mail(text).error() == PeerFault::bad_parameter);
  }
}

TEST_CASE("parameters: MT-PRIORITY is one digit, with a minus before all but zero (RFC 6710 §7)") {
  for (int priority = -9; priority <= 9; ++priority) {
    CHECK(Rules().mail(" MT-PRIORITY=" + std::to_string(priority))->priority == priority);
  }
  for (const char* text : {" MT-PRIORITY=", " MT-PRIORITY=10", " MT-PRIORITY=-10", " MT-PRIORITY=+3", " MT-PRIORITY=-0", " MT-PRIORITY=00"}) {
    CAPTURE(text);
    CHECK(Rules().mail(text).error() == PeerFault::bad_parameter);
  }
}

TEST_CASE("parameters: FUTURERELEASE is one of two, within what is offered (RFC 4865 §4)") {
  const auto until = Rules().mail(" HOLDUNTIL=2026-02-28T23:59:59Z");
  REQUIRE(until.has_value());
  CHECK(until->hold_until == std::chrono::sys_days(std::chrono::year{2026} / 2 / 28) + 23h + 59min + 59s);
  for (const char* text : {" HOLDFOR=0", " HOLDFOR=86401", " HOLDFOR=x", " HOLDFOR=0000000001", " HOLDUNTIL=2026-02-30T00:00:00Z",
                           " HOLDUNTIL=2026-02-28T24:00:00Z", " HOLDUNTIL=2026-02-28T00:00:00+01:00", " HOLDUNTIL=2026-02-28",
                           " HOLDFOR=1 HOLDUNTIL=2026-02-28T00:00:00Z"}) {
    CAPTURE(text);
    CHECK(Rules().mail(text).error() == PeerFault::bad_parameter);
  }
}

TEST_CASE("parameters: NOTIFY and ORCPT (RFC 3461 §4.1, §4.2, RFC 6533 §3)") {
  CHECK(Rules().rcpt(" NOTIFY=NEVER")->notify == DsnNotify{.never = true});
  CHECK(Rules().rcpt(" NOTIFY=success,Delay,FAILURE")->notify == DsnNotify{.success = true, .failure = true, .delay = true});
  const auto original = Rules().rcpt(" ORCPT=RFC822;a+2Bb@c.test");
  CHECK(original->original_recipient_type == "rfc822");
  CHECK(original->original_recipient == "a+b@c.test");
  CHECK(Rules().rcpt(" ORCPT=utf-8;\\x{FC}@c.test")->original_recipient == "\xc3\xbc@c.test");
  for (const char* text : {" NOTIFY=", " NOTIFY=NEVER,SUCCESS", " NOTIFY=SUCCESS,", " NOTIFY=SOMETIMES", " ORCPT=a@c.test", " ORCPT=;a",
                           " ORCPT=rfc822;", " ORCPT=rfc822;a+0Db", " ORCPT=rfc822;a+00b", " ORCPT=r c;a"}) {
    CAPTURE(text);
    CHECK(!Rules().rcpt(text).has_value());
  }
  CHECK(Rules().rcpt(" ORCPT=rfc822;" + std::string(493, 'a')).has_value());
  CHECK(!Rules().rcpt(" ORCPT=rfc822;" + std::string(494, 'a')).has_value());
}

TEST_CASE("parameters: ENVID, RET, BODY and AUTH take only what they may") {
  for (const char* text : {" ENVID=a b", " ENVID=a+0Ab", " ENVID=+C3+BC", " ENVID=", " RET=SOME", " BODY=7BITS", " BODY=", " AUTH=a b@c.test",
                           " AUTH=nobody", " AUTH=a+0Db@c.test", " SMTPUTF8=1", " REQUIRETLS=yes"}) {
    CAPTURE(text);
    CHECK(!Rules().mail(text).has_value());
  }
  CHECK(!Rules().mail(" ENVID=" + std::string(101, 'a')).has_value());
  CHECK(Rules().mail(" ENVID=" + std::string(100, 'a')).has_value());
}

TEST_CASE("parameters: each once, none unknown, none that is not offered") {
  CHECK(Rules().mail(" SIZE=1 size=1").error() == PeerFault::repeated_parameter);
  CHECK(Rules().rcpt(" NOTIFY=NEVER NOTIFY=NEVER").error() == PeerFault::repeated_parameter);
  CHECK(Rules().mail(" XFOO=1").error() == PeerFault::unknown_parameter);
  CHECK(Rules().mail(" NOTIFY=NEVER").error() == PeerFault::unknown_parameter);  // RCPT's
  CHECK(Rules().rcpt(" SIZE=1").error() == PeerFault::unknown_parameter);
  Rules poor;
  poor.options = {};
  poor.options.offer_dsn = poor.options.offer_smtputf8 = poor.options.offer_chunking = false;
  poor.auth_offered = poor.secure = false;
  for (const char* text : {" BY=60;R", " MT-PRIORITY=1", " HOLDFOR=1", " HOLDUNTIL=2026-02-28T00:00:00Z", " REQUIRETLS", " RET=FULL", " ENVID=a",
                           " AUTH=<>", " SMTPUTF8"}) {
    CAPTURE(text);
    CHECK(poor.mail(text).error() == PeerFault::unknown_parameter);
  }
  CHECK(poor.mail(" BODY=BINARYMIME").error() == PeerFault::bad_parameter);
  CHECK(poor.mail(" SIZE=1 BODY=8BITMIME").has_value());
  Rules clear;
  clear.secure = false;
  CHECK(clear.mail(" REQUIRETLS").error() == PeerFault::unknown_parameter);  // RFC 8689 §4.1: under TLS alone
}
