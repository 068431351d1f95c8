// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What the parameters of MAIL and RCPT say, decoded and checked.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "keystonemail/base/time.hpp"
#include "keystonemail/smtp/path.hpp"

namespace keystonemail::smtp {

enum class BodyType : std::uint8_t { seven_bit, eight_bit_mime, binary_mime };  // RFC 6152, RFC 3030
enum class DsnReturn : std::uint8_t { unspecified, full, headers };             // RFC 3461 §4.3
enum class DeliverByMode : std::uint8_t { notify, return_to_sender };           // RFC 2852 §4

// RFC 2852 §4: BY=
struct DeliverBy {
  std::chrono::seconds within{};  // may be zero or less with `notify`
  DeliverByMode mode = DeliverByMode::notify;
  bool trace = false;
  friend bool operator==(const DeliverBy&, const DeliverBy&) = default;
};

struct MailParameters {
  std::optional<std::uint64_t> size;         // RFC 1870: as declared, at most what the server takes
  BodyType body = BodyType::seven_bit;
  bool smtputf8 = false;                     // RFC 6531
  bool require_tls = false;                  // RFC 8689
  DsnReturn dsn_return = DsnReturn::unspecified;
  std::string envelope_id;                   // RFC 3461 §4.4: ENVID, decoded from xtext; printable ASCII
  std::optional<Path> auth;                  // RFC 4954 §5: AUTH=, the null path for <>; trust it as that section says
  std::optional<std::chrono::seconds> hold_for;  // RFC 4865: HOLDFOR
  std::optional<WallTime> hold_until;            // RFC 4865: HOLDUNTIL
  std::optional<DeliverBy> deliver_by;
  std::optional<int> priority;               // RFC 6710: MT-PRIORITY, -9 to 9
};

// RFC 3461 §4.1: NOTIFY. Nothing set and never false means the parameter was absent.
struct DsnNotify {
  bool never = false;
  bool success = false;
  bool failure = false;
  bool delay = false;
  [[nodiscard]] bool given() const noexcept { return never || success || failure || delay; }
  friend bool operator==(const DsnNotify&, const DsnNotify&) = default;
};

struct RcptParameters {
  DsnNotify notify;
  std::string original_recipient_type;  // RFC 3461 §4.2: "rfc822", "utf-8"; empty: absent
  std::string original_recipient;       // decoded; without control characters, valid UTF-8
};

}  // namespace keystonemail::smtp
