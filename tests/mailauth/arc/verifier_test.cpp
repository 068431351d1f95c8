// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/arc/verifier.hpp"

#include <doctest/doctest.h>

#include "keystonemail/codec/base64.hpp"
#include "mailauth/arc/support.hpp"

using namespace keystonemail;
using namespace keystonemail::mailauth;
using namespace keystonemail::mailauth::arc;
using testing::arc_message;
using testing::describe;
using testing::Hands;
using testing::replaced;
using testing::verify_arc;

namespace {

// RFC 8617 appendix B, without its trace fields. Its keys were never published.
const std::string rfc8617_message = testing::crlf(
    "ARC-Seal: i=3; a=rsa-sha256; cv=pass; d=clochette.example.org; s=\n"
    "        clochette; t=12345; b=CU87XzXlNlk5X/yW4l73UvPUcP9ivwYWxyBWcVrRs7\n"
    "        +HPx3K05nJhny2fvymbReAmOA9GTH/y+k9kEc59hAKVg==\n"
    "ARC-Message-Signature: i=3; a=rsa-sha256; c=relaxed/relaxed; d=\n"
    "        clochette.example.org; h=message-id:date:from:to:subject; s=\n"
    "        clochette; t=12345; bh=KWSe46TZKCcDbH4klJPo+tjk5LWJnVRlP5pvjXFZY\n"
    "        LQ=; b=o71vwyLsK+Wm4cOSlirXoRwzEvi0vqIjd/2/GkYFYlSd/GGfKzkAgPqxf\n"
    "        K7ccBMP7Zjb/mpeggswHjEMS8x5NQ==\n"
    "ARC-Authentication-Results: i=3; clochette.example.org; spf=fail\n"
    "    smtp.from=jqd@d1.example; dkim=fail (512-bit key)\n"
    "    header.i=@d1.example; dmarc=fail; arc=pass (as.2.gmail.example=pass,\n"
    "    ams.2.gmail.example=pass, as.1.lists.example.org=pass,\n"
    "    ams.1.lists.example.org=fail (message has been altered))\n"
    "ARC-Seal: i=2; a=rsa-sha256; cv=pass; d=gmail.example; s=20120806; t=\n"
    "        12345; b=Zpukh/kJL4Q7Kv391FKwTepgS56dgHIcdhhJZjsalhqkFIQQAJ4T9BE\n"
    "        8jjLXWpRNuh81yqnT1/jHn086RwezGw==\n"
    "ARC-Message-Signature: i=2; a=rsa-sha256; c=relaxed/relaxed; d=\n"
    "        gmail.example; h=message-id:date:from:to:subject; s=20120806; t=\n"
    "        12345; bh=KWSe46TZKCcDbH4klJPo+tjk5LWJnVRlP5pvjXFZYLQ=; b=CVoG44\n"
    "        cVZvoSs2mMig2wwqPaJ4OZS5XGMCegWqQs1wvRZJS894tJM0xO1RJLgCPsBOxdA5\n"
    "        9WSqI9s9DfyKDfWg==\n"
    "ARC-Authentication-Results: i=2; gmail.example; spf=fail\n"
    "    smtp.from=jqd@d1.example; dkim=fail (512-bit key)\n"
    "    header.i=@example.org; dmarc=fail; arc=pass\n"
    "    (as.1.lists.example.org=pass, ams.1.lists.example.org=pass)\n"
    "ARC-Seal: i=1; a=rsa-sha256; cv=none; d=lists.example.org; s=dk-lists;\n"
    "         t=12345; b=TlCCKzgk3TrAa+G77gYYO8Fxk4q/Ml0biqduZJeOYh6+0zhwQ8u/\n"
    "        lHxLi21pxu347isLSuNtvIagIvAQna9a5A==\n"
    "ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=\n"
    "        lists.example.org; h=message-id:date:from:to:subject; s=\n"
    "        dk-lists; t=12345; bh=KWSe46TZKCcDbH4klJPo+tjk5LWJnVRlP5pvjXFZYL\n"
    "        Q=; b=DsoD3n3hiwlrN1ma8IZQFgZx8EDO7Wah3hUjIEsYKuShRKYB4LwGUiKD5Y\n"
    "        yHgcIwGHhSc/4+ewYqHMWDnuFxiQ==\n"
    "ARC-Authentication-Results: i=1; lists.example.org; spf=pass\n"
    "    smtp.mfrom=jqd@d1.example; dkim=pass (512-bit key)\n"
    "    header.i=@d1.example; dmarc=pass\n"
    "Message-ID: <54B84785.1060301@d1.example>\n"
    "Date: Thu, 14 Jan 2015 15:00:01 -0800\n"
    "From: John Q Doe <jqd@d1.example>\n"
    "To: arc@dmarc.example\n"
    "Subject: [List 2] Example 1\n"
    "\n"
    "Hey gang,\nThis is a test message.\n--J.\n");

std::string three_hands(Hands& hands) {
  const auto first = hands.seal("one.example", arc_message);
  // A list: it looks first, and then changes what it seals.
  const auto changed = replaced(first, "There.", "There, and a footer.");
  const auto second = hands.fields("ed.example", changed, verify_arc(hands.zone, first).status) + changed;
  return hands.seal("three.example", second);
}

}  // namespace

TEST_CASE("arc: the chain of RFC 8617 appendix B is whole, and lacks its keys") {
  const testing::Zone zone;
  CHECK(describe(verify_arc(zone, rfc8617_message)) == "fail: ARC-Message-Signature: no key for signature");
  CHECK(zone.asked == std::vector<std::string>{"dk-lists._domainkey.lists.example.org", "20120806._domainkey.gmail.example",
                                               "clochette._domainkey.clochette.example.org"});
}

TEST_CASE("arc: the body hash of RFC 8617 appendix B is that of its message, its signature is of no key of ours") {
  testing::Zone zone;
  const auto key = crypto::PrivateKey::generate(crypto::KeyType::rsa).value().public_key();
  for (const char* name : {"dk-lists._domainkey.lists.example.org", "20120806._domainkey.gmail.example",
                           "clochette._domainkey.clochette.example.org"}) {
    zone.texts[name] = {dkim::key_record_text(key)};
  }
  CHECK(describe(verify_arc(zone, rfc8617_message)) == "fail: ARC-Message-Signature: signature did not verify");
  CHECK(describe(verify_arc(zone, rfc8617_message + "more\r\n")) == "fail: ARC-Message-Signature: body hash did not verify");
}

TEST_CASE("arc: a message without sets has no chain and wants no body") {
  CHECK(describe(verify_arc({}, arc_message)) == "none");
  Verifier verifier({}, testing::at(0));
  verifier.receive(arc_message);
  CHECK_FALSE(verifier.wants_input());
}

TEST_CASE("arc: three hands, one of which changed the body, make a chain that passes and tells who saw what") {
  Hands hands;
  const auto chain = verify_arc(hands.zone, three_hands(hands));
  REQUIRE(describe(chain) == "pass");
  REQUIRE(chain.sets.size() == 3);
  CHECK(chain.sets[0].sealer == "one.example");
  CHECK(chain.sets[1].sealer == "ed.example");
  CHECK(chain.sets[2].instance == 3);
  CHECK(chain.sets[2].signer == "three.example");
  CHECK(chain.sets[0].results.authserv_id == "one.example");
  CHECK(chain.sets[0].results.results[0].result == "pass");
}

TEST_CASE("arc: a chain does not depend on where pieces are cut") {
  Hands hands;
  const auto text = three_hands(hands);
  for (std::size_t piece = 1; piece < 40; ++piece) REQUIRE(describe(verify_arc(hands.zone, text, piece)) == "pass");
}

TEST_CASE("arc: nothing that is sealed may change") {
  Hands hands;
  const auto text = three_hands(hands);
  CHECK(describe(verify_arc(hands.zone, replaced(text, "footer", "header"))) == "fail: ARC-Message-Signature: body hash did not verify");
  CHECK(describe(verify_arc(hands.zone, replaced(text, "Subject: x", "Subject: y"))) ==
        "fail: ARC-Message-Signature: signature did not verify");
  // What the first hand saw, near the bottom.
  auto forged = text;
  forged.replace(forged.rfind("spf=pass"), 8, "spf=fail");
  CHECK(describe(verify_arc(hands.zone, forged)) == "fail: ARC-Seal 1: signature did not verify");
  CHECK(describe(verify_arc(hands.zone, replaced(text, "i=2; ed.example", "i=2; no.example"))) ==
        "fail: ARC-Seal 2: signature did not verify");
  CHECK(describe(verify_arc(hands.zone, "X-Other: new\r\n" + text)) == "pass");
  CHECK(describe(verify_arc(hands.zone, "Subject: new\r\n" + text)) == "fail: ARC-Message-Signature: subject stands 2 times, signed 1");
}

TEST_CASE("D9: a flipped cv=, a missing field, a doubled set, a gap or a bad instance break the chain") {
  Hands hands;
  const auto text = three_hands(hands);
  for (const auto& [from, to, reason] : std::initializer_list<std::tuple<const char*, const char*, const char*>>{
           {"cv=pass", "cv=none", "instance 3 has a wrong cv="},
           {"cv=none", "cv=pass", "instance 1 has a wrong cv="},
           {"cv=pass", "cv=fail", "sealed as failed"},
           {"cv=pass", "cv=good", "ARC-Seal: bad cv= tag"},
           {"cv=pass;", "", "ARC-Seal: bad cv= tag"},
           {"cv=pass;", "cv=pass; h=from;", "ARC-Seal: ARC-Seal has h="},
           {"ARC-Seal: i=3", "X-Seal: i=3", "instance 3 is not whole"},
           {"ARC-Message-Signature: i=2", "X: i=2", "instance 2 is not whole"},
           {"ARC-Authentication-Results: i=1", "X: i=1", "instance 1 is not whole"},
           {"ARC-Seal: i=2", "ARC-Seal: i=3", "instance 3 stands twice"},
           {"ARC-Seal: i=3", "ARC-Seal: i=4", "instance 3 is not whole"},
           {"ARC-Seal: i=3", "ARC-Seal: i=51", "ARC-Seal: bad instance"},
           {"ARC-Seal: i=3", "ARC-Seal: i=0", "ARC-Seal: bad instance"},
           {"ARC-Authentication-Results: i=3;", "ARC-Authentication-Results:", "bad instance"},
           {"ARC-Authentication-Results: i=3;", "ARC-Authentication-Results: i=99999999999999999999;", "bad instance"},
           {"a=rsa-sha256", "a=rsa-sha1", "ARC-Seal: rsa-sha1 is historic"},
           {"d=three.example", "d=three.exa\x01mple", "ARC-Seal: bad octet in a tag value"}}) {
    CAPTURE(from);
    CAPTURE(to);
    const auto chain = verify_arc(hands.zone, replaced(text, from, to));
    CHECK(describe(chain) == std::string("fail: ") + reason);
    CHECK(chain.sets.empty());
  }
}

TEST_CASE("D9: each tag that a seal or a message signature must have is missed, and none may be nonsense") {
  Hands hands;
  const auto text = hands.seal("one.example", arc_message);
  REQUIRE(describe(verify_arc(hands.zone, text)) == "pass");
  const auto signature = text.find("ARC-Message-Signature");
  const auto with = [&](std::size_t field, const std::string& tag, const std::string& instead) {
    auto changed = text;
    const auto begin = changed.find(" " + tag + "=", field) == std::string::npos ? changed.find("\t" + tag + "=", field)
                                                                              : std::min(changed.find(" " + tag + "=", field), changed.find("\t" + tag + "=", field));
    const auto end = tag == "b" ? changed.find("\r\nARC", begin) : changed.find(';', begin) + 1;
    return changed.replace(begin + 1, end - begin - 1, instead);
  };
  for (const auto& [field, name, tags] : {std::tuple(std::size_t{0}, "ARC-Seal", std::vector<std::string>{"a", "d", "s", "cv", "b", "i"}),
                                          std::tuple(signature, "ARC-Message-Signature", std::vector<std::string>{"a", "d", "s", "h", "bh", "b", "i"})}) {
    for (const auto& tag : tags) {
      CAPTURE(name);
      CAPTURE(tag);
      CHECK(describe(verify_arc(hands.zone, with(field, tag, "zz=1;"))).starts_with("fail: " + std::string(name) + ": "));
      CHECK(describe(verify_arc(hands.zone, with(field, tag, tag + "=?;"))).starts_with("fail: " + std::string(name) + ": "));
    }
    CHECK(describe(verify_arc(hands.zone, with(field, "t", "t=yesterday;"))) == "fail: " + std::string(name) + ": bad t= or x= tag");
    // What is signed may not change, not even a tag that need not be there.
    CHECK(describe(verify_arc(hands.zone, with(field, "t", "t=1;"))).ends_with("signature did not verify"));
  }
  CHECK(describe(verify_arc(hands.zone, with(signature, "h", "h=From:ARC-Seal;"))) == "fail: ARC-Message-Signature: ARC-Seal is signed");
  CHECK(describe(verify_arc(hands.zone, with(signature, "h", "h=T o;"))) == "fail: ARC-Message-Signature: bad name in h=");
}

TEST_CASE("arc: the fields of a chain may stand anywhere in the header, in any order") {
  Hands hands;
  const auto text = three_hands(hands);
  const auto header = text.substr(0, text.find("\r\n\r\n") + 2);
  std::vector<std::string> fields;
  mime::HeaderReader reader(header);
  while (const auto field = reader.next()) fields.emplace_back(field->raw);
  std::ranges::reverse(fields);
  std::string reversed;
  for (const auto& field : fields) reversed += field;
  CHECK(describe(verify_arc(hands.zone, reversed + text.substr(header.size()))) == "pass");
}

TEST_CASE("arc: a second MIME-Version breaks nothing, a second Subject does (D5)") {
  Hands hands;
  const auto text = hands.seal("one.example", "MIME-Version: 1.0\r\n" + arc_message);
  CHECK(describe(verify_arc(hands.zone, "MIME-Version: 1.0\r\n" + text)) == "pass");
  CHECK(describe(verify_arc(hands.zone, "Subject: y\r\n" + text)) == "fail: ARC-Message-Signature: subject stands 2 times, signed 1");
}

TEST_CASE("D9: fifty sets are verified, fifty-one are not looked at") {
  Hands hands;
  auto text = arc_message;
  for (int i = 1; i <= 50; ++i) text = hands.fields("ed" + std::to_string(i) + ".example", text, ChainStatus::pass) + text;
  CHECK(describe(verify_arc(hands.zone, text)) == "pass");
  hands.zone.asked.clear();
  CHECK(describe(verify_arc(hands.zone, "ARC-Seal: i=51\r\n" + text)) == "fail: more than 50 sets");
  CHECK(hands.zone.asked.empty());
}

TEST_CASE("arc: a DNS that cannot say now is a failure all the same, and is told (RFC 8617 §5.2.1)") {
  Hands hands;
  const auto text = three_hands(hands);
  hands.zone.faults["arc._domainkey.one.example"] = dns::AnswerStatus::timeout;
  const auto chain = verify_arc(hands.zone, text);
  CHECK(describe(chain) == "fail: ARC-Seal 1: key unavailable");
  CHECK(chain.key_unavailable);
}

TEST_CASE("arc: only sealers of the list are believed, and only back to the first that is not") {
  Hands hands;
  const auto chain = verify_arc(hands.zone, three_hands(hands));
  using List = std::vector<std::string>;
  CHECK(oldest_trusted_set(chain, List{"Three.Example", "ed.example", "one.example"})->instance == 1);
  CHECK(oldest_trusted_set(chain, List{"three.example", "ed.example"})->instance == 2);
  CHECK(oldest_trusted_set(chain, List{"three.example", "one.example"})->instance == 3);
  CHECK(oldest_trusted_set(chain, List{"ed.example", "one.example"}) == nullptr);
  CHECK(oldest_trusted_set(chain, List{}) == nullptr);
  CHECK(oldest_trusted_set(Chain(), List{"three.example"}) == nullptr);
}

TEST_CASE("arc: a chain is told in Authentication-Results") {
  Hands hands;
  const auto text = three_hands(hands);
  CHECK(method_result(verify_arc(hands.zone, text)).result == "pass");
  CHECK(method_result(verify_arc(hands.zone, text)).comment == "i=3 sealed by three.example");
  CHECK(method_result(verify_arc(hands.zone, replaced(text, "cv=pass", "cv=fail"))).reason == "sealed as failed");
  CHECK(method_result(Chain()).result == "none");
}
