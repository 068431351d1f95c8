// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/crypto/digest.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace keystonemail::crypto;

TEST_CASE("crypto: digests agree with FIPS 180-4") {
  CHECK(to_hex(digest(Hash::sha1, "abc")) == "a9993e364706816aba3e25717850c26c9cd0d89d");
  CHECK(to_hex(digest(Hash::sha256, "abc")) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(to_hex(digest(Hash::sha256, "")) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(to_hex(digest(Hash::sha512, "abc")) ==
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
}

TEST_CASE("crypto: a digest does not depend on where the data is cut") {
  const std::string data(300, 'x');
  for (const auto hash : {Hash::sha1, Hash::sha256, Hash::sha512}) {
    for (std::size_t cut = 0; cut <= data.size(); ++cut) {
      Digester digester(hash);
      digester.update(data.substr(0, cut));
      Digester copy = digester;
      copy.update("something else");
      digester.update(data.substr(cut));
      REQUIRE(digester.finish() == digest(hash, data));
    }
  }
  Digester digester(Hash::sha256);
  digester.update(data);
  CHECK(digester.finish_sha256() == sha256(data));
}

TEST_CASE("crypto: HMAC agrees with RFC 2202 and RFC 4231") {
  CHECK(to_hex(hmac(Hash::sha1, "Jefe", "what do ya want for nothing?")) == "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
  CHECK(to_hex(hmac(Hash::sha256, "Jefe", "what do ya want for nothing?")) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(to_hex(hmac(Hash::sha512, "Jefe", "what do ya want for nothing?")) ==
        "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
        "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737");
  CHECK(to_hex(hmac(Hash::sha256, std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First")) ==
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
  CHECK(hmac(Hash::sha256, "", "").size() == 32);
}
