// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// milter: what a filter says, as events of ClientSession. All of it is clean: names are field names, values have line ends
// in folds alone, texts and addresses have no control characters.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace keystonemail::milter {

struct NeedInput {};

enum class Response : std::uint8_t {
  proceed,
  accept,              // of this message; before MAIL of this connection: nothing more needs to be asked
  reject,
  tempfail,
  reply,               // a refusal in its own words
  discard,
  skip,                // enough of the body
  shutdown,            // 421, and the connection ends
  connection_failure,
};

// The answer to a command. The last of what a filter says to it.
struct Answer {
  Response response = Response::proceed;
  std::uint16_t code = 0;  // 4yz or 5yz, of Response::reply
  std::string status;      // "5.7.1"; empty when it gave none
  std::string text;        // lines divided by LF
};

// To the end of a message, before the answer.
struct AddHeader {
  std::string name, value;
};
struct InsertHeader {
  std::uint32_t position = 0;
  std::string name, value;
};
struct ChangeHeader {
  std::uint32_t occurrence = 1;
  std::string name, value;
  bool removes = false;    // the value was empty
};
struct AddRecipient {
  std::string address;     // without brackets
  std::string parameters;
};
struct RemoveRecipient {
  std::string address;
};
struct ChangeSender {
  std::string address;     // empty: the null reverse-path
  std::string parameters;
};
struct Quarantine {
  std::string reason;
};
// A piece of a new body; the first takes the place of the old one.
struct BodyPiece {
  std::string_view octets; // lives until the next non-const call
};

enum class Fault : std::uint8_t {
  packet_too_large, packet_malformed,
  bad_negotiation,      // a version we do not speak, or more than was offered
  unexpected,           // what it says has no place here
  not_negotiated,       // an edit that it did not announce
  too_many_edits,
  bad_edit,             // a field name, address or reply that is none
  timed_out,
  connection_lost,
};
[[nodiscard]] std::string_view to_string(Fault fault) noexcept;

// The session is over. Nothing it said about what was asked last counts.
struct Failed {
  Fault fault = Fault::connection_lost;
};

using Event = std::variant<NeedInput, Answer, AddHeader, InsertHeader, ChangeHeader, AddRecipient, RemoveRecipient, ChangeSender,
                           Quarantine, BodyPiece, Failed>;

}  // namespace keystonemail::milter
