// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/crypto/password.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace keystonemail;
using namespace keystonemail::crypto;

namespace {
constexpr ScryptCost cheap{4, 8, 1};
}

TEST_CASE("crypto: a hashed password is verified and a wrong one is not") {
  SeededRandom random(1);
  const auto stored = hash_password("correct horse", random, cheap).value();
  CHECK(stored.starts_with("$scrypt$ln=4,r=8,p=1$"));
  CHECK(verify_password("correct horse", stored) == PasswordCheck::correct);
  CHECK(verify_password("Correct horse", stored) == PasswordCheck::wrong);
  CHECK(verify_password("", stored) == PasswordCheck::wrong);
  CHECK(verify_password(std::string(2'000, 'x'), stored) == PasswordCheck::wrong);
  CHECK(hash_password("correct horse", random, cheap).value() != stored);
}

TEST_CASE("crypto: the scrypt hash in a PHC string is RFC 7914's") {
  // P="pleaseletmein", S="SodiumChloride", N=16384, r=8, p=1, of RFC 7914 §12.
  CHECK(verify_password("pleaseletmein",
                        "$scrypt$ln=14,r=8,p=1$U29kaXVtQ2hsb3JpZGU$cCO9yzr9c0hGHAbNgf046/2o+7qQT44+qbVD9lRdofLVQylVYT8Pz2LUlwUkKpr55h6F3A1lHkDfzwF7RVdYhw") ==
        PasswordCheck::correct);
}

TEST_CASE("crypto: imported hashes of every kind libxcrypt knows are verified") {
  for (const char* stored :
       {"$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2",
        "{BLF-CRYPT}$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2",
        "$5$rounds=1000$saltsalt$R6e4P8ccT9iMqkYg7Z8YtpId/lfsIfnuPkp8WXposU8",
        "$6$rounds=1000$saltsalt$4GMtaIz3E1AdDi2SmCokEW0ehi.HdxNDcL3fGE1XXuzvo6kbx7UOloZKONqEk5H3JrQA4NOfU8BmqFPrpGqwA1",
        "{SHA512-CRYPT}$6$rounds=1000$saltsalt$4GMtaIz3E1AdDi2SmCokEW0ehi.HdxNDcL3fGE1XXuzvo6kbx7UOloZKONqEk5H3JrQA4NOfU8BmqFPrpGqwA1",
        "$y$j75$saltsaltsaltsalt$IdM6tV9hsIYZkwcNItyWCsVO1t/QVCQfi.yVSuLjuZ5", "$1$saltsalt$NuzA7WTAelpl95xgBGWN60"}) {
    CAPTURE(stored);
    CHECK(verify_password("correct horse", stored) == PasswordCheck::correct);
    CHECK(verify_password("correct horsf", stored) == PasswordCheck::wrong);
    CHECK(needs_rehash(stored, cheap));
  }
}

TEST_CASE("crypto: hashes of other kinds and broken ones are unsupported, never correct") {
  for (const char* stored :
       {"", "x", "correct horse", "{PLAIN}correct horse", "{SSHA}AAAA", "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA", "$scrypt$",
        "$scrypt$ln=4,r=8,p=1$c2FsdA$", "$scrypt$ln=4,r=8,p=1$c2FsdA$aGFzaA", "$scrypt$ln=60,r=8,p=1$c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=40,r=8,p=1$c2FsdA$AAAAAAAAAAAAAAAAAAAAAA", "$scrypt$ln=4,r=0,p=1$c2FsdA$AAAAAAAAAAAAAAAAAAAAAA",
        "$6$", "$2b$99$x", "abJnggxhB/yWI"}) {
    CAPTURE(stored);
    CHECK(verify_password("correct horse", stored) != PasswordCheck::correct);
    CHECK(needs_rehash(stored, cheap));
  }
  CHECK(verify_password("x", "{SSHA}AAAA") == PasswordCheck::unsupported);
  CHECK(verify_password("x", "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA") == PasswordCheck::unsupported);
}

TEST_CASE("crypto: a hash is known for one that can be checked before anybody has to log in by it") {
  SystemRandom random;
  const auto ours = hash_password("x", random, {.log2_n = 4, .r = 8, .p = 1});
  REQUIRE(ours);
  CHECK(check_password_hash(*ours));
  CHECK(password_hash_kind(*ours) == "$scrypt$");
  for (const std::string good : {"$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW", "$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5",
                                 "{SHA256-CRYPT}$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5"}) {
    CAPTURE(good);
    CHECK(check_password_hash(good));
    CHECK(!check_password_hash(good.substr(0, good.size() - 1)));
    CHECK(!check_password_hash(good + "x"));
  }
  CHECK(password_hash_kind("{SHA256-CRYPT}$5$saltstring$5B8vYYiY") == "$5$");
  for (const std::string_view bad : {"", "x", "secret", "rl.3StKT.4T8M", "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA", "{SSHA}AAAA", "$9$a$b", "$6$", "$6$salt",
                                     "$6$salt$", "$2b$05$", "$scrypt$ln=40,r=8,p=1$AAAA$AAAA", "$6$sa:lt$x"}) {
    CAPTURE(bad);
    const auto checked = check_password_hash(bad);
    REQUIRE(!checked);
    CHECK(checked.error().kind() == ErrorKind::invalid);
  }
  CHECK(password_hash_kind("secret").empty());
}

TEST_CASE("crypto: a hash of lower cost asks to be replaced") {
  SeededRandom random(1);
  const auto stored = hash_password("correct horse", random, cheap).value();
  CHECK_FALSE(needs_rehash(stored, cheap));
  CHECK(needs_rehash(stored, {5, 8, 1}));
  CHECK(needs_rehash(stored, {4, 8, 2}));
  CHECK(needs_rehash(stored));
}

TEST_CASE("crypto: passwords that look the same are the same, RFC 4013 §2 and §3") {
  CHECK(prepare_password("user=")->view() == "user=");
  CHECK(prepare_password("USER")->view() == "USER");                                // case is kept
  CHECK(prepare_password("I\xc2\xadX")->view() == "IX");                            // soft hyphen mapped to nothing
  CHECK(prepare_password("\xc2\xaa")->view() == "a");                               // feminine ordinal indicator
  CHECK(prepare_password("\xe2\x85\xa8")->view() == "IX");                          // roman numeral nine
  CHECK(prepare_password("a\xc2\xa0" "b")->view() == "a b");                        // no-break space
  CHECK(prepare_password("u\xcc\x88")->view() == prepare_password("\xc3\xbc")->view());
  SeededRandom random(1);
  CHECK(verify_password("gru\xcc\x88n", hash_password("gr\xc3\xbcn", random, cheap).value()) == PasswordCheck::correct);
}

TEST_CASE("crypto: passwords with controls, without UTF-8, empty or too long are refused") {
  using namespace std::string_literals;
  for (const auto& bad : {""s, "a\0b"s, "a\x07"s, "a\x7f"s, "\xc2\x85"s, "\xff"s, "\xc3"s, "\xc2\xad"s}) {
    CHECK(prepare_password(bad).error().kind() == ErrorKind::invalid);
  }
  CHECK(prepare_password(std::string(1'024, 'x')).has_value());
  CHECK(prepare_password(std::string(1'025, 'x')).error().kind() == ErrorKind::too_large);
}

TEST_CASE("crypto: weak passwords are told why") {
  CHECK(password_weaknesses("vast-orbit-lemon-41", "alice@example.test").empty());
  CHECK(password_weaknesses("Xk29!fq").size() == 1);
  CHECK_FALSE(password_weaknesses("Password12345").empty());
  CHECK_FALSE(password_weaknesses("12345678901234").empty());
  CHECK_FALSE(password_weaknesses("aaaaaaaaaaaaaa").empty());
  CHECK_FALSE(password_weaknesses("hello-i-am-Alice!", "alice@example.test").empty());
  // Characters are counted, not octets.
  CHECK(password_weaknesses("\xc3\xa4\xc3\xb6\xc3\xbc\xc3\x9f\xc3\xa9\xc3\xa8").size() == 1);
}

TEST_CASE("crypto: a password made of what guessers try first is weak, however it is dressed up") {
  const auto why = [](std::string_view password) {
    const auto reasons = password_weaknesses(password, "alice.miller@example-mail.test");
    return reasons.empty() ? std::string() : reasons.back();
  };
  const auto names = [&](std::string_view password, std::string_view piece) { return why(password).find(piece) != std::string::npos; };
  CHECK(names("Summer2024!!!", "a common word, a year and a repetition"));
  CHECK(names("P@$$w0rd-1234", "a common word"));
  CHECK(names("l3tm31n-l3tm31n", "a common word"));
  CHECK(names("drowssapdrowssap", "a common word"));
  CHECK(names("qwertyuiop123456", "neighbouring keys"));
  CHECK(names("1qaz2wsx3edc4rfv", "neighbouring keys"));
  CHECK(names("poiuytrewqqwertyuiop", "neighbouring keys"));
  CHECK(names("yxcvbnm,.-987654", "neighbouring keys"));
  CHECK(names("abcdefghijkl", "a sequence"));
  CHECK(names("2468135790123", "a sequence"));
  CHECK(names("xk9xk9xk9xk9xk9", "a repetition"));
  CHECK(names("zzzzzzzzzzzzzzzz", "a repetition"));
  CHECK(names("miller-miller1", "the login"));
  CHECK(names("M1ll3r_2019_2020", "the login"));
  CHECK(names("Example-Mail-1987", "the login"));
  CHECK(names("rellim19872024", "the login"));
  CHECK(names("Admin Dragon 99", "a common word"));
}

TEST_CASE("crypto: a password that takes guessing is not called weak") {
  for (const std::string_view password :
       {"vast-orbit-lemon-41", "T7#qLm9!zRw2", "kreuzfahrt ohne wiederkehr", "dfkjh34kjh5n3", "gravel tunnel ostrich 7 paper",
        "\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82\xd0\xbc\xd0\xb8\xd1\x80\xd1\x84\xd1\x91\xd0\xb4\xd0\xbe\xd1\x80"}) {
    CAPTURE(password);
    CHECK(password_weaknesses(password, "alice@example.test").empty());
  }
}

TEST_CASE("crypto: any octets may be looked at, and long ones take no time") {
  CHECK(password_weaknesses("").size() == 1);
  CHECK(password_weaknesses(std::string("\0\0\0", 3), "@").size() >= 1);
  CHECK_FALSE(password_weaknesses(std::string(1'024, 'a'), std::string(1'000, 'b')).empty());
  CHECK_FALSE(password_weaknesses("\x80\xff\xfe", "\xff@\xff").empty());
}

TEST_CASE("crypto: app passwords are 32 letters in groups and read back however they are typed") {
  SystemRandom random;
  const auto password = generate_app_password(random);
  CHECK(password.view().size() == 39);
  CHECK(password.view().find_first_not_of("0123456789abcdefghjkmnpqrstvwxyz-") == std::string_view::npos);
  CHECK(generate_app_password(random).view() != password.view());
  const auto stored = hash_app_password(password.view());
  CHECK(stored.size() == 32);
  CHECK(verify_app_password(password.view(), stored));
  CHECK(verify_app_password(normalise_app_password(password.view()).view(), stored));
  CHECK(normalise_app_password("0O 1lI-aB").view() == "00111ab");
  auto other = std::string(password.view());
  other[0] = other[0] == 'a' ? 'b' : 'a';
  CHECK_FALSE(verify_app_password(other, stored));
  CHECK_FALSE(verify_app_password("", stored));
  CHECK_FALSE(verify_app_password(password.view(), ""));
}

TEST_CASE("crypto: SCRAM keys are derived as RFC 5802 §3 says and survive being stored") {
  // RFC 7677 §3: user "user", password "pencil".
  const std::string salt = "\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81";
  const auto keys = derive_scram_keys(Hash::sha256, "pencil", salt, 4096).value();
  CHECK(keys.serialise(Hash::sha256) ==
        "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
        "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
  CHECK(ScramKeys::parse(keys.serialise(Hash::sha256), Hash::sha256).value() == keys);
  const auto text = keys.serialise(Hash::sha256);
  CHECK_FALSE(ScramKeys::parse(text, Hash::sha1).has_value());
  for (std::size_t size = 0; size < text.size(); ++size) CHECK_FALSE(ScramKeys::parse(text.substr(0, size), Hash::sha256).has_value());
  CHECK_FALSE(derive_scram_keys(Hash::sha256, "pencil", "", 4096).has_value());
  CHECK_FALSE(derive_scram_keys(Hash::sha256, "pencil", salt, 0).has_value());
  CHECK_FALSE(derive_scram_keys(Hash::sha256, "pencil", salt, 2'000'000).has_value());
}
