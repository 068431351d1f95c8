// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// policy: what a policy decides. Changes to a message are data, made by whoever asked.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "keystonemail/policy/body.hpp"
#include "keystonemail/policy/facts.hpp"

namespace keystonemail::policy {

enum class Verdict : std::uint8_t {
  proceed,     // no objection
  accept,      // no objection, and this policy wants to hear no more of this transaction (before MAIL: of this connection)
  reject,      // 5yz: never
  defer,       // 4yz: not now
  quarantine,  // take it, into Junk
  discard,     // say yes and throw it away
  disconnect,  // 421, and the connection ends
};
[[nodiscard]] std::string_view to_string(Verdict verdict) noexcept;

// The words of a refusal. A code or status that does not fit the verdict is replaced by the verdict's own.
struct Refusal {
  std::uint16_t code = 0;      // 4yz or 5yz; 0: 550, 451 or 421 as the verdict has it
  std::string status;          // RFC 3463, "5.7.1"; empty: derived
  std::string text;            // one line for the peer
};

enum class Place : std::uint8_t { top, bottom };
// What stands between the colon of a field and its value.
enum class Lead : std::uint8_t { blank, nothing };
// REQUIRES, of names and values: a field name of RFC 5322 §2.2; a value without CR or LF but in folds. Others are dropped.
// Of several that one decision puts on top the first is topmost; those of later ones stand above them.
struct AddHeader {
  std::string name;
  std::string value;
  Place place = Place::top;
  Lead lead = Lead::blank;
};
struct InsertHeader {
  std::uint32_t position = 0;    // among all fields, 0 being on top; at the bottom when there are fewer
  std::string name;
  std::string value;
  Lead lead = Lead::blank;
};
struct ChangeHeader {
  std::string name;              // of any case
  std::uint32_t occurrence = 1;  // 1 is the topmost; a new field at the bottom when there are fewer
  std::string value;
  Lead lead = Lead::blank;
};
struct RemoveHeader {
  std::string name;            // of any case
  std::uint32_t occurrence = 0;  // 1 is the topmost; 0: all of them
};
// From Stage::body on. Line ends are CRLF.
struct ReplaceBody {
  std::shared_ptr<const Body> body;
};
// Parameters are those of MAIL and RCPT, "ENVID=x RET=HDRS": what cannot be read, or is not for others to say, is left out.
struct ReplaceSender {
  std::string address;
  std::string parameters = {};
};
struct AddRecipient {
  std::string address;
  std::string parameters = {};
};
struct RemoveRecipient {
  std::string address;
};
// Those of header and body are made at once, so that whoever is asked next sees them; of sender and recipients, after the stage.
using Edit = std::variant<AddHeader, InsertHeader, ChangeHeader, RemoveHeader, ReplaceBody, ReplaceSender, AddRecipient, RemoveRecipient, Tag>;

struct [[nodiscard]] Decision {
  Verdict verdict = Verdict::proceed;
  Refusal refusal;                       // of reject, defer and disconnect
  std::vector<Edit> edits;
  std::chrono::milliseconds delay{0};    // how long to wait with the answer (tarpitting)
  std::string reason;                    // for the log and the trace; never shown to the peer
  bool quiet = false;                    // no line in the log: what comes in floods is told of once by whoever counts it

  [[nodiscard]] static Decision proceed() { return {}; }
  [[nodiscard]] static Decision reject(std::string text, std::string status = {}, std::string reason = {});
  [[nodiscard]] static Decision defer(std::string text, std::string status = {}, std::string reason = {});
  [[nodiscard]] static Decision quarantine(std::string reason);
  [[nodiscard]] Decision&& with(Edit edit) && {
    edits.push_back(std::move(edit));
    return std::move(*this);
  }
};

}  // namespace keystonemail::policy
