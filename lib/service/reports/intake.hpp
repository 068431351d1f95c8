// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Intake: copies mail to the report addresses as it passes by, to look for reports in it. The mail itself goes its way,
// whatever is found.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/policy/policy.hpp"
#include "keystonemail/service/reports/options.hpp"

namespace keystonemail::reporting {

// A message in which there may be reports.
struct Incoming {
  std::string message;
  std::string author;          // of its From field; empty: there is not exactly one
  bool verified = false;       // signed by the author's domain
  bool verified_tls = false;   // or so, by a key for TLS reports
};

// What has been copied, and what is being copied, within Options::incoming_total_max: beyond it mail is not looked at.
//
// Threads: any.
class IntakeRoom {
 public:
  explicit IntakeRoom(const Options& options) : options_(options) {}

  [[nodiscard]] bool reserve(std::size_t octets);
  void give_back(std::size_t octets);
  // Its octets have been reserved; take() gives them back.
  void put(Incoming incoming);
  [[nodiscard]] std::vector<Incoming> take();
  [[nodiscard]] const Options& options() const noexcept { return options_; }

 private:
  const Options& options_;
  std::mutex mutex_;  // guards all below
  std::size_t octets_ = 0;
  std::vector<Incoming> waiting_;
};

// Put it behind authentication::Checks, whose tags say who signed. Never refuses, edits or delays anything.
//
// Threads: as policy::Policy. Ownership: shares the room.
class Intake final : public policy::Policy {
 public:
  explicit Intake(std::shared_ptr<IntakeRoom> room) : room_(std::move(room)) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "reports"; }
  [[nodiscard]] std::unique_ptr<policy::Inspector> inspect(const policy::Connection& connection) override;

 private:
  std::shared_ptr<IntakeRoom> room_;
};

}  // namespace keystonemail::reporting
