// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// MessageCleaner makes a message fit for the wire: every line ends in CRLF, no CR or LF stands alone, and dots at
// the start of lines are doubled where DATA needs it (RFC 5321 §2.3.8, §4.5.2; attack A2).
#pragma once

#include <string>
#include <string_view>

namespace keystonemail::smtp {

// Limits: a few octets of state; linear time.
class MessageCleaner {
 public:
  enum class Stuffing : bool { none, dots };
  explicit MessageCleaner(Stuffing stuffing) noexcept : stuffing_(stuffing) {}

  void append(std::string& out, std::string_view octets);
  void finish(std::string& out);  // ends the last line; writes no end-of-data

 private:
  Stuffing stuffing_;
  bool line_start_ = true;
  bool after_cr_ = false;
};

}  // namespace keystonemail::smtp
