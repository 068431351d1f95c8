// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/dkim/key_record.hpp"

#include <doctest/doctest.h>

using namespace keystonemail;
using namespace keystonemail::mailauth::dkim;

namespace {

const std::string ed25519_p = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";  // RFC 8463 §A.2

}  // namespace

TEST_CASE("dkim: a key record says what its key is for") {
  const auto record = parse_key_record("v=DKIM1; k=ed25519; h=sha1:sha256; s=email; t=y:s:z; n=a note; x=?; p=" + ed25519_p).value();
  CHECK(record.type == crypto::KeyType::ed25519);
  CHECK(record.key.value().type() == crypto::KeyType::ed25519);
  CHECK(record.sha256);
  CHECK(record.for_mail);
  CHECK(record.testing);
  CHECK(record.exact_domain);
}

TEST_CASE("dkim: the defaults of a key record") {
  const auto key = crypto::PrivateKey::generate(crypto::KeyType::rsa).value().public_key();
  const auto text = key_record_text(key);
  const auto record = parse_key_record(text.substr(text.find("p="))).value();
  CHECK(record.type == crypto::KeyType::rsa);
  CHECK(record.key.value().bits() == 2048);
  CHECK(record.sha256);
  CHECK(record.for_mail);
  CHECK_FALSE(record.testing);
  CHECK_FALSE(record.exact_domain);
}

TEST_CASE("dkim: a key record that is not for SHA-256 or not for mail says so") {
  CHECK_FALSE(parse_key_record("h=sha1; k=ed25519; p=" + ed25519_p).value().sha256);
  CHECK_FALSE(parse_key_record("s=tlsrpt; k=ed25519; p=" + ed25519_p).value().for_mail);
  CHECK(parse_key_record("s=tlsrpt:*; k=ed25519; p=" + ed25519_p).value().for_mail);
}

TEST_CASE("dkim: an empty p= is a revoked key") {
  CHECK(parse_key_record("v=DKIM1; p=").value().revoked());
  CHECK(parse_key_record(revoked_key_record_text(crypto::KeyType::ed25519)).value().revoked());
}

TEST_CASE("dkim: what is no key record is refused") {
  for (const std::string& text : std::vector<std::string>{"v=spf1 -all", "v=DKIM1; k=rsa", "v=DKIM2; k=ed25519; p=" + ed25519_p,
                                  "k=ed25519; v=DKIM1; p=" + ed25519_p, "v=DKIM1.0; k=ed25519; p=" + ed25519_p,
                                  "k=dsa; p=" + ed25519_p, "p=" + ed25519_p, "k=ed25519; p=!!!", "k=ed25519; p=AAAA",
                                  "k=rsa; p=" + ed25519_p, "", "v=DKIM1; p=; p="}) {
    CAPTURE(text);
    CHECK_FALSE(parse_key_record(text).has_value());
  }
}

TEST_CASE("dkim: a key record we write can be read, in strings of 255 octets") {
  for (const auto type : {crypto::KeyType::rsa, crypto::KeyType::ed25519}) {
    const auto key = crypto::PrivateKey::generate(type).value().public_key();
    const auto strings = txt_strings(key_record_text(key, KeyUse::testing));
    std::string joined;
    for (const auto& string : strings) {
      CHECK(string.size() <= 255);
      joined += string;
    }
    CHECK(strings.size() == (type == crypto::KeyType::rsa ? 2 : 1));
    const auto record = parse_key_record(joined).value();
    CHECK(record.key.value().der() == key.der());
    CHECK(record.testing);
  }
  CHECK(txt_strings("") == std::vector<std::string>{""});
  CHECK(txt_strings(std::string(255, 'x')).size() == 1);
}

TEST_CASE("dkim: an RSA key is read in either form that is seen") {
  // SubjectPublicKeyInfo of 2048 bits wraps RSAPublicKey after 24 octets.
  const auto key = crypto::PrivateKey::generate(crypto::KeyType::rsa).value().public_key();
  const auto bare = crypto::PublicKey::from_rsa_der(key.der().substr(24)).value();
  CHECK(bare.der() == key.der());
}
