// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What filters may want to know of a session, by the names that they know it by.
#pragma once

#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/milter/protocol.hpp"
#include "keystonemail/policy/facts.hpp"

namespace keystonemail::milter {

// What the DNS says of who connects.
struct ClientName {
  std::string name;                // that leads back to the address; empty: there is none
  std::string pointer;             // that the address leads to; empty: none
  std::string resolve = "FAIL";    // OK, FAIL, FORGED or TEMP, as Sendmail has it

  // As filters know it: the name, or the address in brackets.
  [[nodiscard]] std::string shown(const IpAddress& address) const { return name.empty() ? "[" + address.to_string() + "]" : name; }
};

// Ownership: owns the values. Of what is not known there is no macro.
class Macros {
 public:
  // `id` is the name of the message in our log. REQUIRES: `stage` is that of `facts`.
  Macros(policy::Stage stage, const policy::Facts& facts, const ClientName& client, std::string id);
  [[nodiscard]] std::span<const Macro> all() const noexcept { return list_; }

 private:
  void add(std::string_view name, std::string value);

  std::deque<std::string> values_;
  std::vector<Macro> list_;
};

}  // namespace keystonemail::milter
