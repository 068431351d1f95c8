// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/tls/dane.hpp"

#include <doctest/doctest.h>

#include "keystonemail/codec/base64.hpp"
#include "keystonemail/codec/hex.hpp"
#include "keystonemail/crypto/certificate.hpp"
#include "keystonemail/crypto/digest.hpp"
#include "keystonemail/crypto/key.hpp"
#include "pair.hpp"

using namespace keystonemail;
using namespace keystonemail::tls;

namespace {

using test::now;
using namespace std::chrono_literals;

std::string der_of(const std::string& pem) { return crypto::certificates_from_pem(pem).value().front(); }

// A server's certificate from an authority, with the keys of both.
struct Chain {
  crypto::PrivateKey authority_key = crypto::PrivateKey::generate(crypto::KeyType::ecdsa_p256).value();
  crypto::PrivateKey key = crypto::PrivateKey::generate(crypto::KeyType::ecdsa_p256).value();
  std::string authority, leaf;

  explicit Chain(std::vector<std::string> names = {"mail.example.test"}, WallTime until = now + 24h) {
    const std::string pem = crypto::make_self_signed({.names = {"Test-CA"}, .not_before = now - 24h * 30, .not_after = now + 24h * 30, .authority = true}, authority_key).value();
    authority = der_of(pem);
    leaf = der_of(crypto::issue_certificate({.names = std::move(names), .not_before = now - 24h * 20, .not_after = until}, key.public_key(), pem, authority_key).value());
  }
  [[nodiscard]] std::vector<std::string> sent() const { return {leaf, authority}; }
  [[nodiscard]] std::string spki() const { return key.public_key().der(); }
  [[nodiscard]] std::string authority_spki() const { return authority_key.public_key().der(); }
};

const Chain& chain() {
  static const Chain made;
  return made;
}

TlsaRecord tlsa(std::uint8_t usage, std::uint8_t selector, std::uint8_t matching, std::string_view selected) {
  std::string data(selected);
  if (matching == 1) data = crypto::digest(crypto::Hash::sha256, selected);
  if (matching == 2) data = crypto::digest(crypto::Hash::sha512, selected);
  return {usage, selector, matching, data};
}

DaneOutcome verify(const std::vector<TlsaRecord>& records, const std::vector<std::string>& sent, std::vector<std::string> names = {"mail.example.test"}) {
  return verify_dane(usable_tlsa(records), sent, names, now);
}

}  // namespace

TEST_CASE("dane: the server's certificate or key, whole or as a digest, matches (RFC 6698 §2.1)") {
  const Chain& c = chain();
  for (const std::uint8_t matching : {0, 1, 2}) {
    CAPTURE(int{matching});
    CHECK(verify({tlsa(3, 0, matching, c.leaf)}, c.sent()) == DaneOutcome::end_entity);
    CHECK(verify({tlsa(3, 1, matching, c.spki())}, c.sent()) == DaneOutcome::end_entity);
    CHECK(verify({tlsa(2, 0, matching, c.authority)}, c.sent()) == DaneOutcome::trust_anchor);
    CHECK(verify({tlsa(2, 1, matching, c.authority_spki())}, c.sent()) == DaneOutcome::trust_anchor);
  }
}

TEST_CASE("D11: another certificate or key does not match") {
  const Chain& c = chain();
  const Chain other;
  CHECK(verify({tlsa(3, 0, 1, other.leaf), tlsa(3, 1, 1, other.spki())}, c.sent()) == DaneOutcome::no_match);
  CHECK(verify({tlsa(2, 0, 1, other.authority)}, c.sent()) == DaneOutcome::no_match);
  CHECK(verify({tlsa(3, 1, 1, c.authority_spki())}, c.sent()) == DaneOutcome::no_match);  // an authority is no server
  CHECK(verify({tlsa(2, 1, 1, c.spki())}, c.sent()) == DaneOutcome::no_match);            // nor the reverse
  CHECK(verify({tlsa(3, 1, 1, c.leaf)}, c.sent()) == DaneOutcome::no_match);              // the digest of something else
  CHECK(verify({tlsa(3, 1, 1, c.spki())}, {}) == DaneOutcome::no_match);
  CHECK(verify({tlsa(3, 1, 1, c.spki())}, {"no certificate"}) == DaneOutcome::no_match);
}

TEST_CASE("dane: of several records one is enough, as when keys are changed (RFC 7671 §8.1)") {
  const Chain& c = chain();
  const Chain next;
  CHECK(verify({tlsa(3, 1, 1, next.spki()), tlsa(3, 1, 1, c.spki())}, c.sent()) == DaneOutcome::end_entity);
  CHECK(verify({tlsa(3, 1, 1, next.spki()), tlsa(2, 0, 1, c.authority)}, c.sent()) == DaneOutcome::trust_anchor);
}

TEST_CASE("dane: name and date do not matter with DANE-EE, and do with DANE-TA (RFC 7672 §3.1.1, §3.2)") {
  const Chain old({"mail.example.test"}, now - 24h);
  CHECK(verify({tlsa(3, 1, 1, old.spki())}, old.sent(), {"other.test"}) == DaneOutcome::end_entity);
  CHECK(verify({tlsa(2, 0, 1, old.authority)}, old.sent()) == DaneOutcome::expired);
  const Chain& c = chain();
  CHECK(verify({tlsa(2, 0, 1, c.authority)}, c.sent(), {"other.test"}) == DaneOutcome::wrong_name);
  CHECK(verify({tlsa(2, 0, 1, c.authority)}, c.sent(), {"other.test", "mail.example.test"}) == DaneOutcome::trust_anchor);
  CHECK(verify({tlsa(2, 0, 1, c.authority)}, c.sent(), {}) == DaneOutcome::wrong_name);
}

TEST_CASE("dane: a wildcard of DANE-TA is the whole first label (RFC 7672 §3.2.3)") {
  const Chain wild({"*.example.test"});
  CHECK(verify({tlsa(2, 0, 1, wild.authority)}, wild.sent(), {"mx1.example.test"}) == DaneOutcome::trust_anchor);
  CHECK(verify({tlsa(2, 0, 1, wild.authority)}, wild.sent(), {"a.mx1.example.test"}) == DaneOutcome::wrong_name);
  CHECK(verify({tlsa(2, 0, 1, wild.authority)}, wild.sent(), {"example.test"}) == DaneOutcome::wrong_name);
}

// Made by openssl, for CN=mx1.example.com, until the end of the century: what our own certificates never are, without a name of the new kind.
constexpr std::string_view common_name_authority =
    "MIIBRzCB7aADAgECAgEBMAoGCCqGSM49BAMCMBIxEDAOBgNVBAMMB1Rlc3QgQ0EwIBcNMjAwMTAxMDAwMDAwWhgPMjA5OTEyMzEwMDAwMDBaMBIxEDAOBgNVBAMMB1Rlc3QgQ0EwWTAT"
    "BgcqhkjOPQIBBggqhkjOPQMBBwNCAARHc+yk3JmnFQts0lunGcwn1Xp3uuQsioryUGTdW41DgyN/4GIF2eBKV4T7oP5MQOBI8l+a4QPQVCSkXJrbd4zhozIwMDAPBgNVHRMBAf8EBTAD"
    "AQH/MB0GA1UdDgQWBBS5eAIdlJK+0Sypu1b2pHeJqoQQbTAKBggqhkjOPQQDAgNJADBGAiEA7jIg3JnEzhkmir8uzEcaxBbccLrVRqHVDPnlvdDJa6wCIQDXhp39oDdoDrCd6+gZiUjd"
    "E7bPhxHfROIattbRWg24TA==";
constexpr std::string_view common_name_alone =
    "MIIBajCCARCgAwIBAgIBAjAKBggqhkjOPQQDAjASMRAwDgYDVQQDDAdUZXN0IENBMCAXDTIwMDEwMTAwMDAwMFoYDzIwOTkxMjMxMDAwMDAwWjAaMRgwFgYDVQQDDA9teDEuZXhhbXBs"
    "ZS5jb20wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASibhg+Y37CkvozmsRStvB0XwQx/yRRHsuzzbFP/Xy2Yv0YFP7oMaAJsX0FQn/QGbXq6u8DYXdvOrkEV/dhtRTeo00wSzAJBgNV"
    "HRMEAjAAMB0GA1UdDgQWBBTWf3e2RO9bLx97X7AqFXmJd88xVDAfBgNVHSMEGDAWgBS5eAIdlJK+0Sypu1b2pHeJqoQQbTAKBggqhkjOPQQDAgNIADBFAiBNhuKLgo2/jPMoBW8Bkccu"
    "d96fVQI2bfJKznt/iAy3ogIhAILn9UkGZOaHWwrOZCgMY0wVXwgWIdxECD3TilhbdHi/";
constexpr std::string_view common_name_and_mail_address =
    "MIIBgjCCASigAwIBAgIBAzAKBggqhkjOPQQDAjASMRAwDgYDVQQDDAdUZXN0IENBMCAXDTIwMDEwMTAwMDAwMFoYDzIwOTkxMjMxMDAwMDAwWjAaMRgwFgYDVQQDDA9teDEuZXhhbXBs"
    "ZS5jb20wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASibhg+Y37CkvozmsRStvB0XwQx/yRRHsuzzbFP/Xy2Yv0YFP7oMaAJsX0FQn/QGbXq6u8DYXdvOrkEV/dhtRTeo2UwYzAhBgNV"
    "HREEGjAYgRZwb3N0bWFzdGVyQGV4YW1wbGUuY29tMB0GA1UdDgQWBBTWf3e2RO9bLx97X7AqFXmJd88xVDAfBgNVHSMEGDAWgBS5eAIdlJK+0Sypu1b2pHeJqoQQbTAKBggqhkjOPQQD"
    "AgNIADBFAiBHh54336zoZKZaJDd57KtBtPsod8IcOx6frOtsv5u44gIhAKOfk8WRChmahz5AB/rYX1oKXmfWQvYa32CLUVFf1w/H";
constexpr std::string_view common_name_and_another_host =
    "MIIBfjCCASOgAwIBAgIBBDAKBggqhkjOPQQDAjASMRAwDgYDVQQDDAdUZXN0IENBMCAXDTIwMDEwMTAwMDAwMFoYDzIwOTkxMjMxMDAwMDAwWjAaMRgwFgYDVQQDDA9teDEuZXhhbXBs"
    "ZS5jb20wWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASibhg+Y37CkvozmsRStvB0XwQx/yRRHsuzzbFP/Xy2Yv0YFP7oMaAJsX0FQn/QGbXq6u8DYXdvOrkEV/dhtRTeo2AwXjAcBgNV"
    "HREEFTATghFvdGhlci5leGFtcGxlLmNvbTAdBgNVHQ4EFgQU1n93tkTvWy8fe1+wKhV5iXfPMVQwHwYDVR0jBBgwFoAUuXgCHZSSvtEsqbtW9qR3iaqEEG0wCgYIKoZIzj0EAwIDSQAw"
    "RgIhAIE6a17H3fFVJxpeQYhsxu7LdjxCRGcaErQUf36q19iKAiEAjjLPljY3MoyzQqYLCpqE0sbV7ivnkzhsQxFbGn4nCTg=";

TEST_CASE("dane: the common name counts where a certificate has no alternative names, and nowhere else (RFC 7672 §3.2.3)") {
  const auto der = [](std::string_view base64) { return codec::decode_base64(base64).value(); };
  const std::string authority = der(common_name_authority);
  const auto verify_for = [&](std::string_view leaf, std::string name) { return verify({tlsa(2, 0, 1, authority)}, {der(leaf), authority}, {std::move(name)}); };
  CHECK(verify_for(common_name_alone, "mx1.example.com") == DaneOutcome::trust_anchor);
  CHECK(verify_for(common_name_alone, "mx2.example.com") == DaneOutcome::wrong_name);
  CHECK(verify_for(common_name_and_mail_address, "mx1.example.com") == DaneOutcome::wrong_name);  // stricter than it has to be
  CHECK(verify_for(common_name_and_another_host, "mx1.example.com") == DaneOutcome::wrong_name);
  CHECK(verify_for(common_name_and_another_host, "other.example.com") == DaneOutcome::trust_anchor);
}

TEST_CASE("D11: an authority's certificate that is sent along, and did not sign the server's, proves nothing") {
  const Chain& c = chain();
  const Chain other;
  CHECK(verify({tlsa(2, 0, 1, c.authority)}, {other.leaf, c.authority}) == DaneOutcome::untrusted);
}

TEST_CASE("dane: an authority's certificate that is whole in the record need not be sent (RFC 7672 §3.1.2)") {
  const Chain& c = chain();
  CHECK(verify({tlsa(2, 0, 0, c.authority)}, {c.leaf}) == DaneOutcome::trust_anchor);
  CHECK(verify({tlsa(2, 0, 1, c.authority)}, {c.leaf}) == DaneOutcome::no_match);
}

TEST_CASE("dane: an authority's key that is whole in the record needs no certificate of it: what it has signed is enough (RFC 7671 §5.2.3)") {
  const Chain& c = chain();
  const Chain other, old({"mail.example.test"}, now - 24h);
  CHECK(verify({tlsa(2, 1, 0, c.authority_spki())}, {c.leaf}) == DaneOutcome::trust_anchor);
  CHECK(verify({tlsa(2, 1, 0, other.authority_spki()), tlsa(2, 1, 0, c.authority_spki())}, {c.leaf}) == DaneOutcome::trust_anchor);
  CHECK(verify({tlsa(2, 1, 1, c.authority_spki())}, {c.leaf}) == DaneOutcome::no_match);  // a digest is no key
  CHECK(verify({tlsa(2, 1, 0, other.authority_spki())}, {c.leaf}) == DaneOutcome::no_match);
  CHECK(verify({tlsa(2, 1, 0, c.authority_spki())}, {c.leaf}, {"other.test"}) == DaneOutcome::wrong_name);
  CHECK(verify({tlsa(2, 1, 0, old.authority_spki())}, {old.leaf}) == DaneOutcome::expired);
  CHECK(verify({tlsa(2, 1, 0, c.authority_spki())}, {other.leaf, c.leaf}) == DaneOutcome::untrusted);  // what it has signed is sent along, and signed nothing

  // What is between the two has to be sent, and may sign.
  const auto middle_key = crypto::PrivateKey::generate(crypto::KeyType::ecdsa_p256).value();
  const std::string root = crypto::make_self_signed({.names = {"Root"}, .not_before = now - 24h, .not_after = now + 24h, .authority = true}, c.authority_key).value();
  const auto issued = [&](bool is_authority) {
    const std::string middle = crypto::issue_certificate({.names = {"Middle"}, .not_before = now - 24h, .not_after = now + 24h, .authority = is_authority}, middle_key.public_key(), root, c.authority_key).value();
    const std::string leaf = crypto::issue_certificate({.names = {"mail.example.test"}, .not_before = now - 24h, .not_after = now + 24h}, c.key.public_key(), middle, middle_key).value();
    return std::vector<std::string>{der_of(leaf), der_of(middle)};
  };
  CHECK(verify({tlsa(2, 1, 0, c.authority_spki())}, issued(true)) == DaneOutcome::trust_anchor);
  CHECK(verify({tlsa(2, 1, 0, c.authority_spki())}, {issued(true).front()}) == DaneOutcome::no_match);
  CHECK(verify({tlsa(2, 1, 0, c.authority_spki())}, issued(false)) == DaneOutcome::untrusted);  // a mere server signs for others
}

TEST_CASE("D11: what cannot be used is left out: usages 0 and 1, unknown numbers, digests of a wrong length, damaged keys") {
  const Chain& c = chain();
  std::vector<TlsaRecord> bad{tlsa(0, 0, 1, c.authority), tlsa(1, 1, 1, c.spki()), tlsa(255, 1, 1, c.spki()), tlsa(3, 2, 1, c.spki()), tlsa(3, 1, 3, c.spki()),
                              {3, 1, 1, "short"}, {3, 1, 2, std::string(32, 'x')}, {3, 0, 0, "no certificate"}, {3, 1, 0, c.spki() + "x"}, {3, 1, 1, ""}};
  CHECK(usable_tlsa(bad).empty());
  bad.push_back(tlsa(3, 1, 1, c.spki()));
  CHECK(usable_tlsa(bad) == std::vector<TlsaRecord>{bad.back()});
}

TEST_CASE("dane: of one usage and selector the strongest digest alone counts, beside whole data (RFC 7671 §9)") {
  const Chain& c = chain();
  const Chain other;
  // The weaker digest fits, the stronger one does not: that is no match.
  CHECK(verify({tlsa(3, 1, 1, c.spki()), tlsa(3, 1, 2, other.spki())}, c.sent()) == DaneOutcome::no_match);
  CHECK(verify({tlsa(3, 1, 2, c.spki()), tlsa(3, 1, 1, other.spki())}, c.sent()) == DaneOutcome::end_entity);
  CHECK(verify({tlsa(3, 0, 1, c.leaf), tlsa(3, 1, 2, other.spki())}, c.sent()) == DaneOutcome::end_entity);  // another selector
  CHECK(verify({tlsa(3, 1, 0, c.spki()), tlsa(3, 1, 2, other.spki())}, c.sent()) == DaneOutcome::end_entity);
}

TEST_CASE("dane: the example of RFC 7671 §9") {
  const auto octets = [](std::string_view hex) { return codec::decode_hex(hex).value(); };
  const std::string key = octets(
      "3059301306072A8648CE3D020106082A8648CE3D0301070342000471CB1F504F9E4B33971376C005445DACD33CD79A2881C3DED1981F18E7AAA76609DD0E4EF28265C82703030A"
      "D60C5DBA6FB8A9397AC0FCF06D424C885D484887");
  const TlsaRecord weaker{3, 1, 1, octets("3FE246A848798236DD2AB78D39F0651D6B6E7CA8E2984012EB0A2E1AC8A87B72")};
  const TlsaRecord stronger{3, 1, 2, octets("D4F5AF015B46C5057B841C7E7BAB759CBF029526D29520C5BE6A32C67475439E54AB3A945D80C743347C9BD4DADC9D8D57FAB78EAA835362F3CA07CCC19A3214")};
  const TlsaRecord whole{3, 1, 0, key};
  CHECK(weaker == tlsa(3, 1, 1, key));
  CHECK(stronger == tlsa(3, 1, 2, key));
  CHECK(usable_tlsa(std::vector{weaker, stronger, whole}) == std::vector{stronger, whole});
}

TEST_CASE("dane: what is looked at is bounded") {
  const Chain& c = chain();
  std::vector<TlsaRecord> keys;
  for (std::size_t i = 0; i < dane_limits::bare_keys_max; ++i) keys.push_back(tlsa(2, 1, 0, c.spki()));
  keys.push_back(tlsa(2, 1, 0, c.authority_spki()));
  CHECK(verify(keys, {c.leaf}) == DaneOutcome::no_match);
  std::vector<TlsaRecord> many(1'000, tlsa(3, 1, 1, "x"));
  CHECK(usable_tlsa(many).size() == dane_limits::records_max);
  std::vector<std::string> long_chain(100, c.leaf);
  long_chain.push_back(c.authority);
  CHECK(verify({tlsa(2, 0, 1, c.authority)}, long_chain) == DaneOutcome::no_match);
}
