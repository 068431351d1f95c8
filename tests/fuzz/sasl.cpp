// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The first octet chooses mechanism and circumstances, the second the directory's answers; the rest are messages, each
// with an octet of length before it (255: all that is left). Invariants: nobody who has not the password is
// authenticated, exchanges end, and what they ask about is within the limits.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "keystonemail/sasl/client.hpp"
#include "keystonemail/sasl/server.hpp"

using namespace keystonemail;
using namespace keystonemail::sasl;

namespace {

void require(bool holds) {
  if (!holds) __builtin_trap();
}

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}
  std::uint8_t octet() {
    if (rest_.empty()) return 0;
    const auto value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }
  std::string_view message() {
    const std::size_t size = octet();
    const auto part = rest_.substr(0, size == 255 ? rest_.size() : size);
    rest_.remove_prefix(part.size());
    return part;
  }
  [[nodiscard]] bool empty() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

constexpr Mechanism mechanisms[] = {Mechanism::plain, Mechanism::login, Mechanism::scram_sha_256, Mechanism::scram_sha_256_plus,
                                    Mechanism::scram_sha_1, Mechanism::scram_sha_1_plus, Mechanism::external};

void check_login(const std::string& login) {
  require(!login.empty() && login.size() <= limits::login_octets_max && login.find('\0') == std::string::npos);
}

void run_server(Mechanism mechanism, std::uint8_t circumstances, Input input) {
  SeededRandom random(circumstances);
  ServerOptions options{.bindings = {}, .external_identity = (circumstances & 16) ? "someone" : "", .invented_salt_secret = "secret", .primary_domain = "example.test"};
  if ((circumstances & 32) || needs_channel_binding(mechanism)) options.bindings.exporter = "binding";
  options.offers_plus = options.bindings.exporter.has_value();
  const auto server = make_server(mechanism, std::move(options), random);
  const auto answers = input.octet();
  const auto first = input.message();
  auto event = (circumstances & 8) ? server->start(std::nullopt) : server->start(first);
  for (int steps = 0;; ++steps) {
    require(steps < 8);
    if (std::holds_alternative<Challenge>(event)) {
      if (input.empty() && steps > 3) return;
      event = server->receive(input.message());
    } else if (auto* password = std::get_if<NeedVerifyPassword>(&event)) {
      check_login(password->login);
      require(!password->password.empty() && password->password.view().size() <= limits::password_octets_max);
      require(password->authorization_id.size() <= limits::authorization_id_octets_max);
      event = (answers & 1) ? server->decide(Verdict::refuse) : server->decide(Unavailable{});
    } else if (auto* keys = std::get_if<NeedScramKeys>(&event)) {
      check_login(keys->login);
      ScramAnswer answer;
      const std::string key(crypto::digest_octets(keys->hash), 'k');
      if (answers & 1) answer.credentials.push_back({"salt", 4'096, key, key});
      if (answers & 2) answer.credentials.push_back({"salt", 4'096, key + "x", key});
      event = (answers & 4) ? server->decide(Unavailable{}) : server->decide(std::move(answer));
    } else if (std::holds_alternative<NeedExternalLogin>(event)) {
      require((circumstances & 16) != 0);
      event = server->decide(Verdict::refuse);
    } else {
      require(std::holds_alternative<Failed>(event));  // nothing here was ever accepted
      return;
    }
  }
}

void run_client(Mechanism mechanism, Input input) {
  SeededRandom random(1);
  ClientOptions options;
  if (needs_channel_binding(mechanism)) options.bindings.exporter = "binding";
  auto client = make_client(mechanism, {.login = "user", .password = crypto::SecretString("pencil")}, std::move(options), random);
  (void)client->initial_response();
  const bool proves = mechanism != Mechanism::plain && mechanism != Mechanism::login && mechanism != Mechanism::external;
  for (int steps = 0; steps < 4 && !input.empty(); ++steps) {
    const auto event = client->receive(input.message());
    require(!proves || !client->complete());  // the server's signature cannot be guessed
    if (std::holds_alternative<ClientFailed>(event)) return;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const auto choice = input.octet();
  const auto mechanism = mechanisms[std::min<std::size_t>(choice & 7, std::size(mechanisms) - 1)];
  if (choice & 64) {
    run_client(mechanism, input);
  } else {
    run_server(mechanism, choice, input);
  }
  return 0;
}
