// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Reply: how a command ends, and the one place where an Error becomes words of IMAP.
#pragma once

#include <string_view>

#include "keystonemail/base/result.hpp"
#include "service/imap/engine.hpp"

namespace keystonemail::service::imap {

struct Reply {
  engine::StatusKind kind = engine::StatusKind::ok;
  engine::ResponseCode code = {};
  std::string_view text = "Completed";     // of static storage
  bool leaves_mailbox = false;             // the selected mailbox is closed with it
  bool with_highest_modseq = false;        // HIGHESTMODSEQ once the client is up to date (RFC 7162 §3.2.7)
};

[[nodiscard]] inline Reply ok(std::string_view text = "Completed") { return {.text = text}; }
[[nodiscard]] inline Reply no(engine::ResponseCode code, std::string_view text) {
  return {engine::StatusKind::no, std::move(code), text};
}
[[nodiscard]] inline Reply bad(std::string_view text) { return {engine::StatusKind::bad, {}, text}; }
// RFC 5530 and RFC 9051 §7.1. What is unknown and what is forbidden read the same.
[[nodiscard]] Reply reply_for(const Error& error);

}  // namespace keystonemail::service::imap
