// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Courier: one connection to one mail host, from the greeting to QUIT, with any number of messages in between.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

#include "keystonemail/base/random.hpp"
#include "keystonemail/service/relay/relay.hpp"
#include "keystonemail/transport/tls_stream.hpp"
#include "service/relay/letter.hpp"
#include "service/relay/outcome.hpp"
#include "service/relay/security.hpp"

namespace keystonemail::relay {

struct MailHost {
  std::string name;                 // what its certificate must say; an address when it has no name
  Endpoint endpoint;
  [[nodiscard]] std::string to_string() const { return name + " (" + endpoint.to_string() + ")"; }
};

// A host that could not be spoken to.
struct HostFailure {
  smtp::Reply reply;
  std::string host;                 // who said so; empty: the words are ours
  bool handshake = false;           // it is TLS that failed
  SessionFacts tls = {};            // how far it came
};

// What connections need. Ownership: borrowed; outlives them.
struct CourierServices {
  const Options& options;
  transport::Connector& connector;
  Random& random;
  std::shared_ptr<const tls::ClientContext> tls;
  std::stop_token hurry;            // asked when even a transaction under way must end
};

struct CourierTarget {
  MailHost host;
  smtp::Protocol protocol = smtp::Protocol::smtp;
  RouteTls tls = RouteTls::opportunistic;
  std::shared_ptr<const RouteLogin> login;
  SessionRules rules = {};
  std::shared_ptr<const DaneRecords> dane = nullptr;  // null: none
  bool is_host_trusted = false;     // its name is not one that anybody could have put in place of the right one
};

// What goes over in one transaction.
struct Consignment {
  smtp::ClientEnvelope envelope;
  Letter* letter;                   // borrowed
  bool internationalized = false;   // it came with SMTPUTF8 (RFC 6531)
};

// Threads: its executor's. The context's token is heard before the session is open and between messages; a transaction
//   under way is brought to its end. Errors: none; what goes wrong is a HostFailure or an Outcome.
class Courier {
 public:
  using Opened = std::variant<std::unique_ptr<Courier>, HostFailure>;
  [[nodiscard]] static Task<Opened> open(const CourierServices& services, CourierTarget target, Context context);

  // REQUIRES: usable(). One outcome for each recipient, in order.
  [[nodiscard]] Task<std::vector<Outcome>> deliver(Consignment consignment);
  // Says QUIT and waits for the answer, but not for long.
  [[nodiscard]] Task<void> quit();

  // The session goes on.
  [[nodiscard]] bool usable() const noexcept { return ready_; }
  // The last transaction ended before the server had said a word to it: an idle connection that it had closed.
  [[nodiscard]] bool was_stale() const noexcept { return stale_; }
  [[nodiscard]] std::size_t messages() const noexcept { return messages_; }
  [[nodiscard]] const MailHost& host() const noexcept { return target_.host; }
  [[nodiscard]] const SessionFacts& tls() const noexcept { return facts_; }
  // "TLSv1.3 TLS_AES_128_GCM_SHA256 dane".
  [[nodiscard]] std::string security() const { return describe(target_.rules, facts_, target_.is_host_trusted); }

 private:
  Courier(const CourierServices& services, CourierTarget target, std::unique_ptr<transport::ByteStream> stream, Context context);

  [[nodiscard]] Task<std::optional<HostFailure>> greet(Context context);
  [[nodiscard]] Task<std::optional<HostFailure>> log_in(Context context);
  [[nodiscard]] Task<std::optional<HostFailure>> start_tls(transport::TlsStart start);
  // Of a session that is not as it must be: for good where the sender asks for it (RFC 8689 §4.2.1), else until later.
  [[nodiscard]] HostFailure insecure(smtp::EnhancedStatus status, std::string text) const;
  [[nodiscard]] Task<smtp::ClientEvent> next(Context context);
  [[nodiscard]] Task<bool> give_message(Letter& letter, std::uint64_t& offset);
  [[nodiscard]] Task<void> hear_early_reply();
  [[nodiscard]] Task<std::optional<Outcome>> prepare(Consignment& consignment);
  [[nodiscard]] std::optional<Outcome> refusal_for(const std::optional<smtp::DeliverBy>& by) const;
  void ask_about_delays(smtp::ClientEnvelope& envelope) const;
  [[nodiscard]] HostFailure failure_of(const smtp::ClientClosed& closed);
  [[nodiscard]] std::vector<Outcome> outcomes_of(std::vector<smtp::Reply> replies, bool are_ours);
  [[nodiscard]] Instant now() const noexcept { return context_.executor->now(); }
  // For what must not be left half done.
  [[nodiscard]] Context working() const { return context_.with_stop(services_.hurry); }

  const CourierServices& services_;
  CourierTarget target_;
  smtp::ClientOptions engine_options_;
  std::unique_ptr<transport::ByteStream> stream_;
  Context context_;
  smtp::ClientSession engine_;
  SessionFacts facts_;
  std::size_t messages_ = 0;
  bool ready_ = false;
  bool stale_ = false;
  bool is_out_of_time_ = false;
};

}  // namespace keystonemail::relay
