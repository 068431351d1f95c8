// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What a check found, and how it is printed: a table with what to do, in colour on a terminal alone, or JSON.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "commands/commands.hpp"

namespace keystonemail::host {

enum class Standing : std::uint8_t {
  good,
  missing,
  wrong,
  unknown,  // it could not be asked
};

struct Finding {
  Standing standing = Standing::unknown;
  std::string subject;                  // "MX example.test"
  std::string found;                    // what is there
  std::string advice;                   // what to do; empty when nothing is to be done
  bool weighty = true;                  // whether the program says 1 when it is missing or unknown
};

// Prints them and returns the exit status: 1 when something weighty is not good, or anything is wrong.
[[nodiscard]] int print_findings(const std::vector<Finding>& findings, Output output);

}  // namespace keystonemail::host
