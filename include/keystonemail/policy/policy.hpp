// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// policy: the port to what judges mail. A rule that needs no memory of a connection is one small class:
//
//   class NoTuesdays final : public policy::Rule {
//     std::string_view name() const noexcept override { return "no-tuesdays"; }
//     Task<Result<policy::Decision>> judge(policy::Stage stage, const policy::Facts& facts, Context) override { ... }
//   };
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/base/task.hpp"
#include "keystonemail/policy/decision.hpp"
#include "keystonemail/policy/facts.hpp"

namespace keystonemail::policy {

// Inspector follows one connection.
//
// Threads: that of the connection's executor. Ownership: dies with the connection.
// Errors: a call that fails, throws or outlives its deadline means "not now" (451 4.7.1), never "yes".
class Inspector {
 public:
  virtual ~Inspector() = default;
  // Asked at each stage. `facts` lives until the task is done.
  [[nodiscard]] virtual Task<Result<Decision>> judge(Stage stage, const Facts& facts, Context context) = 0;
  // MAIL or RCPT was refused with `code`, by us or by a policy: an unknown recipient, say, the last of facts.recipients then.
  // Only a delay and disconnect count here: the refusal stands.
  [[nodiscard]] virtual Task<Result<Decision>> refused(Stage stage, const Facts& facts, std::uint16_t code, Context context);
  // The peer said a line that is no command. A refusal (reject, defer, disconnect) stands in the place of our own.
  [[nodiscard]] virtual Task<Result<Decision>> unknown(std::string_view line, const Facts& facts, Context context);
  // A piece of the message as it came passes by, without dot-stuffing: the whole header, its empty line included, right before
  // Stage::headers; then the body in pieces of any size, until Stage::body. What is kept of it must be bounded. Whoever
  // must see it as others' edits have left it reads Facts::header and Facts::body from Stage::body on.
  [[nodiscard]] virtual Task<Result<void>> receive(std::string_view octets, Context context);
  // The transaction is over or was given up: forget it.
  virtual void reset() noexcept {}
  // The connection is over. Not awaited when it was cut off.
  [[nodiscard]] virtual Task<void> close(Context context);
};

// Policy makes an inspector for each connection.
//
// Threads: inspect() from any thread at once. Ownership: outlives its inspectors.
class Policy {
 public:
  virtual ~Policy() = default;
  // For logs: a word of letters, digits and hyphens.
  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  // Null: this policy does not care about this connection.
  [[nodiscard]] virtual std::unique_ptr<Inspector> inspect(const Connection& connection) = 0;
  // How long it may take at one stage; nothing: as long as the chain gives everybody.
  [[nodiscard]] virtual std::optional<std::chrono::milliseconds> time_max() const noexcept { return std::nullopt; }
};

// A policy without memory of connections.
//
// Threads: judge() from any thread at once.
class Rule : public Policy {
 public:
  // Whether it wants to be asked about this connection at all.
  [[nodiscard]] virtual bool concerns(const Connection&) const noexcept { return true; }
  // As Inspector::judge() and Inspector::refused().
  [[nodiscard]] virtual Task<Result<Decision>> judge(Stage stage, const Facts& facts, Context context) = 0;
  [[nodiscard]] virtual Task<Result<Decision>> refused(Stage stage, const Facts& facts, std::uint16_t code, Context context);
  [[nodiscard]] std::unique_ptr<Inspector> inspect(const Connection& connection) final;
};

}  // namespace keystonemail::policy
