// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// SASL (RFC 4422), the server's side: PLAIN (RFC 4616), LOGIN, SCRAM (RFC 5802, 7677), EXTERNAL (RFC 4422 §A).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "keystonemail/base/random.hpp"
#include "keystonemail/crypto/digest.hpp"
#include "keystonemail/crypto/password.hpp"
#include "keystonemail/crypto/secret.hpp"
#include "keystonemail/sasl/mechanism.hpp"

namespace keystonemail::sasl {

// Why an exchange failed. All but `temporary` are final for this exchange; a peer is told no more than "failed" for the
// last four, malformed and too_large may be a syntax error of the protocol (501, BAD).
enum class Failure : std::uint8_t {
  malformed,         // the message does not follow the mechanism's grammar
  too_large,
  wrong_credentials,
  channel_binding,   // RFC 5802 §6: not ours, or the client believes we do not offer it (a downgrade)
  not_authorised,    // authenticated, but may not act as the identity it asked for
  temporary,         // the directory could not answer now
};

[[nodiscard]] std::string_view to_string(Failure failure) noexcept;

struct Challenge { std::string text; };            // send it, then receive() the answer
struct NeedVerifyPassword {                        // check the password, then decide(Verdict)
  std::string login;
  crypto::SecretString password;
  std::string authorization_id;                    // empty: the login itself
};
struct NeedScramKeys {                             // look the keys up, then decide(ScramAnswer)
  std::string login;
  crypto::Hash hash = crypto::Hash::sha256;
};
struct NeedExternalLogin {                         // map the certificate to a login, then decide(ExternalLogin) or refuse
  std::string identity;                            // what ServerOptions::external_identity said
  std::string authorization_id;                    // empty: derive it from the identity
};
// The client proved who it is. Send `final_text`, when there is one, as additional data with the success reply
// (RFC 4954 §4 sends it as a challenge that is answered by an empty line; call nothing for that). The caller still has to
// check that `login` may act as `authorization_id`.
struct Authenticated {
  std::string login;
  std::string authorization_id;                    // empty: the login itself
  std::optional<std::string> final_text;
  std::size_t credential = 0;                      // SCRAM: which of ScramAnswer::credentials matched
};
struct Failed {
  Failure reason;
  std::optional<std::string> final_text = {};      // SCRAM "e=...", RFC 5802 §7
};
using Event = std::variant<Challenge, NeedVerifyPassword, NeedScramKeys, NeedExternalLogin, Authenticated, Failed>;

// The answer to NeedVerifyPassword; to NeedExternalLogin only "refuse".
enum class Verdict : std::uint8_t { accept, refuse };
// The answer to NeedExternalLogin: whose certificate it is.
struct ExternalLogin { std::string login; };
// The answer to NeedScramKeys. Credentials of one account share salt and iterations; those that do not agree with the
// first are not used. None: the login is unknown, has no keys, or may not log in; the exchange goes on with invented
// ones and fails at its end like a wrong password.
struct ScramAnswer { std::vector<crypto::ScramKeys> credentials; };
// The answer to any question: the directory cannot say now.
struct Unavailable {};

struct ChannelBindings {
  std::optional<std::string> exporter;             // "tls-exporter"
  std::optional<std::string> end_point;            // "tls-server-end-point"
};

struct ServerOptions {
  ChannelBindings bindings;                        // of the TLS channel, if any
  // Whether the -PLUS forms are offered on this connection: a client that could have used them but says we do not
  // offer them is refused. REQUIRES: a binding.
  bool offers_plus = false;
  std::string external_identity;                   // of a verified client certificate; empty: EXTERNAL fails
  // Makes invented salts: secret, and the same for all servers of a directory for as long as it lives, as real salts are.
  std::string invented_salt_secret;
  std::string primary_domain;                      // what a login without '@' means, so that both spellings get one salt
  std::uint32_t invented_iterations = crypto::limits::scram_iterations_min;
};

// ServerExchange is one authentication exchange.
//
//   receive(initial or empty optional) -> Event; then receive() after a Challenge, decide() after a Need...;
//   over after Authenticated or Failed.
//
// Ownership: owns all it needs. Threads: not synchronised. Errors: the peer's are Failed events.
// Limits: sasl::limits. Secrets are wiped when it is destroyed.
class ServerExchange {
 public:
  virtual ~ServerExchange() = default;
  ServerExchange(const ServerExchange&) = delete;
  ServerExchange& operator=(const ServerExchange&) = delete;

  // Begins with the client's initial response (RFC 4422 §4.3.a), or without one. An empty response is not none.
  [[nodiscard]] Event start(std::optional<std::string_view> initial_response);
  // Takes the client's answer to a challenge, base64 decoded. REQUIRES: the last event was a Challenge.
  [[nodiscard]] Event receive(std::string_view response);
  // Answers the last event. REQUIRES: it asked, and this kind of answer fits it.
  [[nodiscard]] Event decide(Verdict verdict);
  [[nodiscard]] Event decide(ExternalLogin login);
  [[nodiscard]] Event decide(ScramAnswer answer);
  [[nodiscard]] Event decide(Unavailable);

 protected:
  ServerExchange() = default;
  using Answer = std::variant<Verdict, ExternalLogin, ScramAnswer, Unavailable>;

 private:
  enum class Waiting : std::uint8_t { start, response, verdict, external, keys, over };
  [[nodiscard]] virtual Event on_message(std::string_view message) = 0;
  [[nodiscard]] virtual Event on_answer(Answer answer) = 0;
  [[nodiscard]] virtual std::string first_challenge() const { return {}; }
  Event note(Event event);

  Waiting waiting_ = Waiting::start;
};

// An exchange for `mechanism`. `random` is used during the call only.
[[nodiscard]] std::unique_ptr<ServerExchange> make_server(Mechanism mechanism, ServerOptions options, Random& random);

}  // namespace keystonemail::sasl
