// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/crypto/key_derivation.hpp"

#include <doctest/doctest.h>

using namespace keystonemail;
using namespace keystonemail::crypto;

TEST_CASE("crypto: PBKDF2 agrees with RFC 6070 and RFC 7914 §11") {
  CHECK(to_hex(pbkdf2(Hash::sha1, "password", "salt", 1, 20)) == "0c60c80f961f0e71f3a9b524af6012062fe037a6");
  CHECK(to_hex(pbkdf2(Hash::sha1, "password", "salt", 4096, 20)) == "4b007901b765489abead49d926f721d065a429c1");
  CHECK(to_hex(pbkdf2(Hash::sha256, "passwd", "salt", 1, 64)) ==
        "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
        "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783");
  CHECK(to_hex(pbkdf2(Hash::sha256, "Password", "NaCl", 80000, 64)) ==
        "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"
        "a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d");
}

TEST_CASE("crypto: scrypt agrees with RFC 7914 §12") {
  CHECK(to_hex(scrypt("", "", {4, 1, 1}, 64).value()) ==
        "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
        "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906");
  CHECK(to_hex(scrypt("password", "NaCl", {10, 8, 16}, 64).value()) ==
        "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
        "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640");
  CHECK(to_hex(scrypt("pleaseletmein", "SodiumChloride", {14, 8, 1}, 64).value()) ==
        "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
        "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887");
}

TEST_CASE("crypto: scrypt takes 128 MiB and refuses what is above its limit") {
  CHECK(scrypt("x", "y", {17, 8, 1}, 32).has_value());
  CHECK(scrypt("x", "y", {20, 8, 1}, 32).error().kind() == ErrorKind::too_large);
  CHECK(scrypt("x", "y", {10, 0x40000000, 1}, 32).error().kind() == ErrorKind::invalid);
  CHECK(scrypt("x", "y", {10, 0x3fffffff, 1}, 32).error().kind() == ErrorKind::too_large);
}

TEST_CASE("crypto: scrypt refuses costs that RFC 7914 §2 does not allow") {
  for (const ScryptCost cost : {ScryptCost{0, 8, 1}, ScryptCost{10, 0, 1}, ScryptCost{10, 8, 0}, ScryptCost{16, 1, 1},
                                ScryptCost{10, 8, 0xffffffff}, ScryptCost{64, 8, 1}}) {
    CHECK(scrypt("x", "y", cost, 32).error().kind() == ErrorKind::invalid);
  }
}
