// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Witness: what a server takes over connections that are encrypted, where the network sees nothing; and of which messages
// nobody vouched for the sender. It is the last policy of the chain, and reads the log.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "keystonemail/base/log.hpp"
#include "keystonemail/policy/policy.hpp"
#include "sim/dialog.hpp"

namespace keystonemail::sim {

class Witness final : public Log {
 public:
  using Taken = std::function<void(std::string_view peer, Transfer transfer)>;
  using Seen = std::function<void(std::string_view peer, std::string key)>;
  // `taken` is told when the message is in the store, before the reply is said; `seen` when its header has been read.
  Witness(Log& log, Taken taken, Seen seen) : log_(log), taken_(std::move(taken)), seen_(std::move(seen)) {}

  [[nodiscard]] bool wants(LogLevel level) const noexcept override { return log_.wants(level); }
  void write(LogLevel level, std::string_view event, std::span<const LogField> fields) noexcept override;
  [[nodiscard]] std::shared_ptr<policy::Policy> policy();

  // Keys of messages for whose sender nobody vouched, some time that they came.
  [[nodiscard]] const std::set<std::string>& unproven() const noexcept { return unproven_; }

 private:
  class Rule;
  Log& log_;
  Taken taken_;
  Seen seen_;
  std::map<std::string, Transfer, std::less<>> pending_;  // by session
  std::set<std::string> unproven_;
};

}  // namespace keystonemail::sim
