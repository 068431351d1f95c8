// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Authenticator: one login, by any SASL mechanism or by name and password, checked against a directory and slowed
// by the login gate. Every protocol logs people in through it, so that none is weaker than the others.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/random.hpp"
#include "keystonemail/base/task.hpp"
#include "keystonemail/crypto/secret.hpp"
#include "keystonemail/directory/directory.hpp"
#include "keystonemail/sasl/server.hpp"
#include "keystonemail/service/access/login_gate.hpp"
#include "keystonemail/service/access/open_logins.hpp"
#include "keystonemail/tls/channel.hpp"

namespace keystonemail::access {

// Writes down bans that were just made, so that they outlive a restart.
using BanKeeper = std::function<Task<void>(std::vector<LoginGate::Ban> bans, Context context)>;

// Writes down where an account logs in from, when that changes.
using KnownKeeper = std::function<Task<void>(LoginGate::Known known, Context context)>;

// What all logins of a server share. Ownership: borrowed; outlives every Authenticator.
struct LoginServices {
  directory::Directory& directory;
  LoginGate& gate;
  Random& random;
  std::string invented_salt_secret;  // at least 16 random octets, kept for the life of the directory
  bool offer_scram_sha_1 = false;
  std::string primary_domain = {};   // of logins without one: both spellings get the same invented salt
  BanKeeper keep_bans = {};          // may be empty
  KnownKeeper keep_known = {};       // may be empty
  OpenLogins* open = nullptr;        // null: sessions last whatever becomes of their login
};

struct ConnectionFacts {
  IpAddress peer;
  std::string service;               // "imap", "submission": app passwords may be bound to some
  bool confidential = false;         // under TLS, or plaintext passwords are allowed here
  sasl::ChannelBindings bindings;
  std::string external_identity = {};  // of a verified client certificate
};

// The login that a client's certificate speaks for: its first mail address, when an authority that we trust for clients
// has signed it. Empty: none, and SASL EXTERNAL is not offered. REQUIRES: the handshake is over.
[[nodiscard]] std::string external_identity(const tls::Channel& channel);

struct LoginChallenge { std::string text; };      // send it and pass the answer to respond()
struct LoginAccepted {
  directory::Account account;
  std::string credential;                         // for the log: "password", an app password's name, "external"
  OpenLogins::Lease lease = {};                   // to be kept by the session, which ends when it says so
};
struct LoginRefused {
  bool temporary = false;                         // the directory could not answer: 454, [UNAVAILABLE]
  bool malformed = false;                         // a syntax error of the exchange: 501, BAD
  std::string reason;                             // for the log only
  std::string login;                              // as typed, for the log
};
using LoginStep = std::variant<LoginChallenge, LoginAccepted, LoginRefused>;

// Mechanism names to offer on a connection, best first.
[[nodiscard]] std::vector<sasl::Mechanism> offered_mechanisms(const LoginServices& services, const ConnectionFacts& facts);

// Threads: that of its connection. A refused login has been waited for as long as the gate demands.
class Authenticator {
 public:
  Authenticator(const LoginServices& services, ConnectionFacts facts) : services_(services), facts_(std::move(facts)) {}

  // REQUIRES: `mechanism` is among offered_mechanisms().
  [[nodiscard]] Task<LoginStep> start(sasl::Mechanism mechanism, std::optional<std::string> initial_response, Context context);
  // The client's answer to the last LoginChallenge, decoded.
  [[nodiscard]] Task<LoginStep> respond(std::string response, Context context);
  // IMAP LOGIN, POP3 USER and PASS.
  [[nodiscard]] Task<LoginStep> password(std::string login, crypto::SecretString password, Context context);

 private:
  // The login as the gate counts it, however it was typed.
  [[nodiscard]] std::string counted_login() const;
  [[nodiscard]] LoginGate::Verdict ask_gate(Context context);
  [[nodiscard]] Task<void> note_success(Context context);
  [[nodiscard]] bool is_let_in(std::string_view credential) const noexcept;
  [[nodiscard]] Task<LoginStep> drive(sasl::Event event, Context context);
  [[nodiscard]] Task<sasl::Event> answer(sasl::NeedVerifyPassword need, Context context);
  [[nodiscard]] Task<sasl::Event> answer(sasl::NeedScramKeys need, Context context);
  [[nodiscard]] Task<sasl::Event> answer(sasl::NeedExternalLogin need, Context context);
  void begin();
  void enter(LoginAccepted& accepted) const;
  [[nodiscard]] Task<LoginStep> accept(sasl::Authenticated who, Context context);
  [[nodiscard]] Task<LoginStep> refuse(sasl::Failure failure, Context context);

  const LoginServices& services_;
  ConnectionFacts facts_;
  std::unique_ptr<sasl::ServerExchange> exchange_;
  OpenLogins::Moment begun_{};
  bool guessable_refused_ = false;                // the gate's word on passwords that people choose
  std::string login_;                             // as typed
  std::optional<directory::Authenticated> checked_;  // by password
  std::vector<std::string> scram_names_;
  std::optional<LoginAccepted> accepted_;         // waits for the answer to SCRAM's last message
};

}  // namespace keystonemail::access
