// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Going through the messages that a search has found, for SORT and THREAD (RFC 5256).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/base/task.hpp"
#include "keystonemail/mime/summary.hpp"
#include "service/imap/mailbox_view.hpp"
#include "service/imap/pause.hpp"

namespace keystonemail::service::imap {

namespace limits {
inline constexpr std::size_t sort_octets_max = std::size_t{32} << 20;  // of keys held for one SORT or THREAD
inline constexpr std::size_t sort_text_octets_max = 1'000;             // of one key; what is beyond does not order
}  // namespace limits

enum class Facts : std::uint8_t { rows, summaries };

// The summary is empty where only rows are asked for.
using MessageVisitor = std::function<Result<void>(Sequence, const MessageRow&, const mime::Summary&)>;

// Calls `visit` for each of `sequences` (ascending) that is still there, and gives way to others now and then.
// Errors: those of the store, of `visit` and of `pause`.
[[nodiscard]] Task<Result<void>> visit_messages(MailStore& store, AccountId account, const MailboxView& view,
                                                std::span<const Sequence> sequences, Facts facts, MessageVisitor visit,
                                                const Pause& pause, Context context);

// RFC 5256 §2.2: the Date field in UTC; where there is none that can be read, the internal date.
[[nodiscard]] WallTime sent_date(const MessageRow& row, const mime::Summary& summary);
// RFC 5256 §2.1, folded for comparison (§5), and whether it is that of a reply or forward.
struct ThreadSubject {
  std::string text;
  bool reply = false;
};
[[nodiscard]] ThreadSubject thread_subject(const mime::Summary& summary);

}  // namespace keystonemail::service::imap
