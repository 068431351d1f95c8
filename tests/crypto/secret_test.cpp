// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/crypto/secret.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <string>

using namespace keystonemail::crypto;

TEST_CASE("crypto: wiping overwrites every octet a string has held") {
  std::string text(100, 's');
  const char* data = text.data();
  text.resize(40);
  wipe(text);
  CHECK(text.empty());
  REQUIRE(text.data() == data);  // capacity is kept, so what was there can be looked at
  text.resize(100, '\0');
  CHECK(text == std::string(100, '\0'));
}

TEST_CASE("crypto: a secret that is moved leaves nothing behind, short or long") {
  for (const std::size_t size : {5u, 15u, 16u, 400u}) {
    std::string plain(size, 'p');
    auto secret = SecretString::adopt(plain);
    CHECK(plain.empty());
    CHECK(secret.view() == std::string(size, 'p'));
    alignas(SecretString) char storage[sizeof(SecretString)];
    auto* source = new (storage) SecretString(secret.view());
    SecretString moved(std::move(*source));
    CHECK(moved.view() == secret.view());
    source->~SecretString();
    // Twice, as an address may have that octet.
    CHECK(std::string_view(storage, sizeof storage).find("pp") == std::string_view::npos);
  }
}

TEST_CASE("crypto: assigning a secret replaces it") {
  SecretString a("first"), b("the second, which is longer");
  a = std::move(b);
  CHECK(a.view() == "the second, which is longer");
  CHECK(b.empty());
}

TEST_CASE("crypto: constant-time comparison tells equal from unequal") {
  CHECK(constant_time_equal("", ""));
  CHECK(constant_time_equal("abc", "abc"));
  CHECK_FALSE(constant_time_equal("abc", "abd"));
  CHECK_FALSE(constant_time_equal("abc", "ab"));
}
