// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Whether a message is answered (RFC 3834 §2, RFC 5230 §4.5, §4.6; attack E4). Who was answered lately, and how often, is not known
// here: see service/autoreply.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "keystonemail/autoreply/settings.hpp"

namespace keystonemail::autoreply {

// Why there is no answer.
enum class Silence : std::uint8_t {
  switched_off,
  not_yet,            // the absence has not begun
  no_longer,          // it is over
  no_sender,          // the null reverse-path, or none that mail can go to
  own_sender,         // from himself
  robot_sender,       // an address that nobody reads: owner-*, *-request, MAILER-DAEMON, noreply ...
  list,               // it came by a mailing list, here or elsewhere, or is from one
  automatic,          // written by a machine, or wants no answer of one
  bulk,               // Precedence: bulk, list or junk
  report,             // of a delivery, or a reading
  spam,               // it is held to be, by us or by whoever looked at it before
  forged,             // DMARC failed
  unproven_sender,    // nobody vouches for the reverse-path, so the answer might reach somebody else
  not_addressed,      // he is not named in To, Cc or Bcc
  answered_lately,
  enough_answers,     // as many as one account gives in a day
  many_absent,        // others that the message was for answer it already
  nobody_there,       // an address here that leads nowhere, or to a full mailbox
  failed,             // of us: what is needed could not be asked or written
};
// In words, for logs and traces.
[[nodiscard]] std::string_view to_string(Silence silence) noexcept;

// Who vouches that a message is from its reverse-path.
enum class Proof : std::uint8_t {
  proven,             // who sent it logged in, or SPF or an aligned DMARC passed, or everything from there is believed
  unproven,
  forged,             // DMARC failed
};

// A message that has come. Ownership: borrows.
struct Occasion {
  std::string_view header;
  std::string_view sender;             // the reverse-path without brackets; empty: null
  // The addresses that are known to be his, that which it was given for first.
  std::span<const std::string> own;
  Proof proof = Proof::unproven;
  bool is_spam = false;                // our own checks put it aside
  bool is_for_list = false;            // he has it as a member of a list here
  WallTime now{};
};

struct Decision {
  std::optional<Silence> silence = {};
  std::string address = {};            // of his, that the message names; of answers alone
  [[nodiscard]] bool answers() const noexcept { return !silence; }
};

// Limits: linear in the header; those of mime::parse_address_list for each of its fields.
[[nodiscard]] Decision decide(const Settings& settings, const Occasion& occasion);

// Two addresses of one person, as far as one can tell: what stands after '+' (RFC 5233) and the tag of prvs= are left out, case
// does not count. Nothing when it is no address.
[[nodiscard]] std::optional<std::string> person_key(std::string_view address);

}  // namespace keystonemail::autoreply
