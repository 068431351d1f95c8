// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// policy: what is known of a connection and its message when a policy is asked about it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/time.hpp"
#include "keystonemail/policy/body.hpp"

namespace keystonemail::policy {

// The points of a session at which policies are asked, in the order in which they come.
enum class Stage : std::uint8_t {
  connect,  // before the greeting
  helo,
  auth,     // after a login
  mail,
  rcpt,     // for each recipient that the directory knows or that may be relayed to
  headers,  // the header is there, the body is not
  body,     // the whole message is there
  deliver,  // last, for a message from outside: its recipients are settled
  submit,   // last, for a message of somebody who logged in
};
[[nodiscard]] std::string_view to_string(Stage stage) noexcept;

// What stays the same for a whole connection.
struct Connection {
  std::string session;      // its id in the log
  std::string service;      // "smtp", "submission", "lmtp"
  std::string hostname;     // ours
  Endpoint peer;
  Endpoint local;
  bool trusted = false;     // from a network without ceilings ([limits] trusted)
};

struct Recipient {
  std::string address;
  bool local = false;       // somebody here; else it is to be relayed
};

// What a policy found out, for those that come after it: {"spf", "pass"}.
struct Tag {
  std::string name;
  std::string value;
};

// What is known so far; what comes later is empty. Views live for the call.
struct Facts {
  const Connection& connection;
  std::string_view hello;                    // as the peer said it
  std::string_view tls;                      // "TLS1.3 with cipher ..."; empty in the clear
  std::string_view login;                    // who logged in; empty: nobody
  std::string_view mechanism;                // and how: "PLAIN"
  std::string_view sender;                   // empty: the null reverse-path
  std::span<const Recipient> recipients;     // accepted so far; at Stage::rcpt the last is the one in question
  std::uint64_t octets = 0;                  // at Stage::mail what SIZE= declared (0: nothing), at Stage::body what there is
  bool smtputf8 = false;
  std::string_view header;                   // from Stage::headers on, as edits have left it, its empty line included where there is one
  const Body* body = nullptr;                // from Stage::body on, as edits have left it
  std::uint32_t revision = 0;                // grows with each edit of header and body
  std::span<const Tag> tags;
  WallTime time{};
  std::string_view refusal = {};             // in Inspector::refused(), the reply: "550 5.1.1 No such user here"

  // The value of the last tag of that name; empty when there is none.
  [[nodiscard]] std::string_view tag(std::string_view name) const noexcept;
};

}  // namespace keystonemail::policy
