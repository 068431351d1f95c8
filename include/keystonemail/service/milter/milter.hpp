// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// milter: the policy that asks a mail filter: rspamd, ClamAV, OpenDKIM, whatever speaks the milter protocol.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/log.hpp"
#include "keystonemail/blob/blob.hpp"
#include "keystonemail/policy/policy.hpp"
#include "keystonemail/resolver/resolver.hpp"
#include "keystonemail/service/milter/address.hpp"
#include "keystonemail/service/milter/connections.hpp"

namespace keystonemail::milter {

// What is done with a message when the filter cannot be asked, or does not keep to the protocol.
enum class FailureAction : std::uint8_t { tempfail, accept, reject, quarantine };

struct Options {
  std::string name = "milter";                     // for the log; a word of letters, digits and hyphens
  Address address;
  FailureAction failure = FailureAction::tempfail;
  std::vector<std::string> services{"smtp", "submission", "lmtp"};
  bool skip_trusted = false;                       // connections from trusted networks are not its business
  bool skip_authenticated = false;                 // nor messages of those who logged in
  // Connections are used for one SMTP session after the other (QUIT_NC). libmilter 8.17 with its pool of workers, as Debian has
  // it, stops listening after that command, so it is for filters that do without libmilter.
  bool reuse = false;
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds command_timeout{30'000};   // for one command to be taken, and for it to be answered
  std::chrono::milliseconds end_timeout{300'000};      // for the answer to the end of a message, since the last sign of progress
  std::chrono::milliseconds time_max{540'000};         // for all of a message; clients wait for ten minutes (RFC 5321 §4.5.3.2.6)
  std::uint64_t body_octets_max = 64U << 20;           // of a body that it writes
  std::chrono::milliseconds name_timeout{5'000};       // for the name of who connects
};

// Where bodies that filters write are laid aside.
using SpoolProvider = std::function<Result<std::unique_ptr<blob::Spool>>()>;

// A filter is told of connection, HELO, sender and each recipient as they come, and of the message when all of it is there, as
// the policies before it have left it: Authentication-Results of ours are seen, our own Received field is not. So a filter
// asked after another sees what the first has changed. A recipient that it refuses is refused alone; one that was refused without
// it, it hears of when it asked for those. It also hears of lines that are no commands, and may word their refusal.
// When it fails before MAIL, it is asked anew at MAIL; when it fails later, its failure action holds for the message.
//
// Threads: as Policy. Ownership: borrows connections, log and resolver; without one, who connects has no name. Memory: per connection 64 KiB and the header; a new body
// beyond 256 KiB is laid aside.
class Milter final : public policy::Policy {
 public:
  Milter(Options options, Connections& connections, SpoolProvider spools, Log& log, resolver::Resolver* resolver = nullptr)
      : options_(std::move(options)), connections_(connections), spools_(std::move(spools)), log_(log), resolver_(resolver) {}
  [[nodiscard]] std::string_view name() const noexcept override { return options_.name; }
  [[nodiscard]] std::unique_ptr<policy::Inspector> inspect(const policy::Connection& connection) override;
  [[nodiscard]] std::optional<std::chrono::milliseconds> time_max() const noexcept override { return options_.time_max; }

 private:
  const Options options_;
  Connections& connections_;
  const SpoolProvider spools_;
  Log& log_;
  resolver::Resolver* const resolver_;
};

}  // namespace keystonemail::milter
