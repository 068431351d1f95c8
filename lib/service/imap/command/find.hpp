// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What SEARCH, SORT and THREAD have in common: finding messages, and the result that `$` stands for.
#pragma once

#include <expected>
#include <span>

#include "service/imap/command/commands.hpp"
#include "service/imap/search_run.hpp"
#include "service/imap/session.hpp"

namespace keystonemail::service::imap {

// The messages of the selected mailbox that the program matches, or how the command ends instead. `first_only`: one will do.
[[nodiscard]] Task<std::expected<SearchFound, Reply>> find_messages(Session& session, const engine::SearchProgram& program,
                                                                    bool first_only);

// Makes them what `$` stands for (RFC 9051 §6.4.4.1). REQUIRES: they ascend.
void save_result(MailboxView& view, std::span<const Sequence> sequences);

// How SEARCH and SORT with SAVE end when the charset is not known.
[[nodiscard]] Reply unknown_charset(MailboxView& view);

// Whether the result is what SAVE with MIN or MAX alone keeps (RFC 9051 §6.4.4.1, table 4).
[[nodiscard]] inline bool ends_only(const engine::SearchReturn& give) noexcept {
  return (give.min || give.max) && !give.all && !give.count;
}
// Whether nothing is told: RETURN (SAVE).
[[nodiscard]] inline bool only_saved(const engine::SearchReturn& give) noexcept {
  return give.given && give.save && !give.min && !give.max && !give.all && !give.count;
}

}  // namespace keystonemail::service::imap
