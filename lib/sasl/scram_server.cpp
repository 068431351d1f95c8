// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
#include <cassert>

#include "base/format.hpp"
#include "crypto/base64.hpp"
#include "keystonemail/base/text.hpp"
#include "sasl/scram.hpp"

namespace keystonemail::sasl::scram {
namespace {

using crypto::ScramKeys;

class Server final : public ServerExchange {
 public:
  Server(crypto::Hash hash, bool plus, ServerOptions options, std::string nonce)
      : hash_(hash), plus_(plus), options_(std::move(options)), nonce_(std::move(nonce)) {
    assert(!options_.offers_plus || options_.bindings.exporter || options_.bindings.end_point);
  }
  ~Server() override {
    for (auto& keys : credentials_) {
      crypto::wipe(keys.stored_key);
      crypto::wipe(keys.server_key);
    }
  }

 private:
  Event on_message(std::string_view message) override { return login_.empty() ? on_first(message) : on_final(message); }

  Event on_answer(Answer answer) override {
    if (std::holds_alternative<Unavailable>(answer)) return Failed{Failure::temporary};
    auto& found = std::get<ScramAnswer>(answer).credentials;
    keep_usable(std::move(found));
    const auto& shown = credentials_.front();
    server_first_ = format("r={},s={},i={}", nonce_, crypto::to_base64(shown.salt), shown.iterations);
    return Challenge{server_first_};
  }

  // RFC 5802 §5.1, §6.
  Event on_first(std::string_view message) {
    const auto first = parse_client_first(message);
    if (!first) return refuse(first.error());
    const std::string* data = nullptr;
    switch (first->binding) {
      case Binding::used:
        if (!plus_) return Failed{Failure::malformed};
        if (const auto* found = find_binding(options_.bindings, first->binding_name)) data = &**found;
        if (!data) return Failed{Failure::channel_binding, "e=unsupported-channel-binding-type"};
        break;
      case Binding::believed_absent:
        // Somebody in between has taken our -PLUS mechanisms off the list.
        if (plus_ || options_.offers_plus) return Failed{Failure::channel_binding, "e=server-does-support-channel-binding"};
        break;
      case Binding::unsupported:
        if (plus_) return Failed{Failure::channel_binding, "e=channel-bindings-dont-match"};
        break;
    }
    expected_binding_ = crypto::to_base64(std::string(first->gs2_header) + (data ? *data : std::string()));
    nonce_ = std::string(first->nonce) + nonce_;
    bare_ = first->bare;
    login_ = first->login;
    authorization_id_ = first->authorization_id;
    return NeedScramKeys{login_, hash_};
  }

  Event on_final(std::string_view message) {
    auto final = parse_client_final(message);
    if (!final) return refuse(final.error());
    if (!crypto::constant_time_equal(final->nonce, nonce_)) return Failed{Failure::malformed, "e=other-error"};
    if (!crypto::constant_time_equal(final->binding, expected_binding_)) {
      return Failed{Failure::channel_binding, "e=channel-bindings-dont-match"};
    }
    const auto authentication = format("{},{},{}", bare_, server_first_, final->without_proof);
    std::optional<std::size_t> matched;
    for (std::size_t i = 0; i < credentials_.size(); ++i) {
      if (proves(credentials_[i], final->proof, authentication) && !matched) matched = i;
    }
    if (!matched || invented_) return Failed{Failure::wrong_credentials, "e=invalid-proof"};
    const auto signature = crypto::hmac(hash_, credentials_[*matched].server_key, authentication);
    return Authenticated{login_, authorization_id_, "v=" + crypto::to_base64(signature), indices_[*matched]};
  }

  // RFC 5802 §3: whoever knows the ClientKey can make the proof.
  bool proves(const ScramKeys& keys, std::string_view proof, std::string_view authentication) const {
    const auto signature = crypto::hmac(hash_, keys.stored_key, authentication);
    if (proof.size() != signature.size()) return false;
    auto client_key = exclusive_or(proof, signature);
    const bool equal = crypto::constant_time_equal(crypto::digest(hash_, client_key), keys.stored_key);
    crypto::wipe(client_key);
    return equal;
  }

  void keep_usable(std::vector<ScramKeys> found) {
    const auto size = crypto::digest_octets(hash_);
    for (std::size_t i = 0; i < found.size(); ++i) {
      const bool whole = found[i].stored_key.size() == size && found[i].server_key.size() == size && !found[i].salt.empty() && found[i].iterations != 0;
      const bool agrees = credentials_.empty() || (found[i].salt == credentials_.front().salt && found[i].iterations == credentials_.front().iterations);
      if (!whole || !agrees) continue;
      credentials_.push_back(std::move(found[i]));
      indices_.push_back(i);
    }
    if (!credentials_.empty()) return;
    credentials_.push_back(invent());
    indices_.push_back(0);
    invented_ = true;
  }

  // A salt that is the same each time it is asked for, as that of a real login is: the first reply does not tell whether
  // the login exists.
  ScramKeys invent() const {
    auto name = to_lower(login_);
    if (name.find('@') == std::string::npos && !options_.primary_domain.empty()) name += "@" + to_lower(options_.primary_domain);
    const auto value = [&](std::string_view purpose) {
      return crypto::hmac(hash_, options_.invented_salt_secret, format("{} {} {}", purpose, static_cast<int>(hash_), name));
    };
    return {value("salt").substr(0, crypto::limits::scram_salt_octets), options_.invented_iterations, value("stored"), value("server")};
  }

  static Event refuse(Fault fault) {
    switch (fault) {
      case Fault::grammar: return Failed{Failure::malformed};
      case Fault::mandatory_extension: return Failed{Failure::malformed, "e=extensions-not-supported"};
    }
    return Failed{Failure::malformed};
  }

  crypto::Hash hash_;
  bool plus_;
  bool invented_ = false;
  ServerOptions options_;
  std::string nonce_;             // ours, then the client's and ours
  std::string bare_;              // client-first-message-bare
  std::string server_first_;
  std::string expected_binding_;  // what "c=" must say
  std::string login_;             // empty until the first message
  std::string authorization_id_;
  std::vector<ScramKeys> credentials_;
  std::vector<std::size_t> indices_;  // of credentials_ in the answer
};

}  // namespace

std::unique_ptr<ServerExchange> make_server(crypto::Hash hash, bool plus, ServerOptions options, std::string nonce) {
  return std::make_unique<Server>(hash, plus, std::move(options), std::move(nonce));
}

}  // namespace keystonemail::sasl::scram
