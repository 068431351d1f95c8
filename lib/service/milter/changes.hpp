// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What a filter wants changed in one message, gathered as it says it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "keystonemail/milter/client_event.hpp"
#include "keystonemail/policy/decision.hpp"
#include "keystonemail/service/milter/milter.hpp"

namespace keystonemail::milter {

// Memory: the edits; of a new body 256 KiB, the rest is laid aside.
class Changes {
 public:
  explicit Changes(const SpoolProvider& spools, policy::Lead lead) : spools_(spools), lead_(lead) {}

  // Errors: those of laying aside; internal when it is no edit.
  [[nodiscard]] Result<void> take(const Event& event);
  [[nodiscard]] std::vector<policy::Edit> edits() &&;
  [[nodiscard]] const std::optional<std::string>& quarantine() const noexcept { return quarantine_; }

 private:
  [[nodiscard]] Result<void> take_body(std::string_view octets);

  const SpoolProvider& spools_;
  policy::Lead lead_;             // of values as the filter writes them
  std::vector<policy::Edit> edits_;
  std::optional<std::string> quarantine_;
  std::optional<std::string> body_;           // while it is short
  std::unique_ptr<blob::Spool> long_body_;
};

}  // namespace keystonemail::milter
