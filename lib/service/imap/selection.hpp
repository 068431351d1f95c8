// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Selection: the messages that a command names, as places in the view.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "service/imap/engine.hpp"
#include "service/imap/mailbox_view.hpp"

namespace keystonemail::service::imap {

// Sequence numbers, ascending and disjoint.
using Selection = std::vector<engine::NumberRange>;

// Nothing for a sequence number that no message has, which is BAD (RFC 9051 §6.4.5, §9 seq-number); UIDs that no message
// has are passed over.
[[nodiscard]] std::optional<Selection> select_messages(const MailboxView& view, const engine::SequenceSet& set,
                                                       engine::NumberKind kind);
// Numbers of whichever kind as the ranges that SearchProgram asks for.
[[nodiscard]] std::vector<UidRange> to_uid_ranges(std::span<const engine::NumberRange> numbers);
[[nodiscard]] std::vector<UidRange> uid_ranges(const MailboxView& view, const Selection& selection);
[[nodiscard]] std::vector<Uid> uids_of(const MailboxView& view, const Selection& selection);
[[nodiscard]] std::size_t count(const Selection& selection) noexcept;
// The UIDs of `named` (ascending and disjoint) up to `last` that are not in `there`.
[[nodiscard]] std::vector<engine::NumberRange> absent(const UidList& there, std::span<const engine::NumberRange> named, Uid last);

// Cuts a selection into stretches that are read from the store at once: neighbours, with small gaps, up to a size.
//
//   for (Windows windows(selection, 1024); auto window = windows.next();) ...
class Windows {
 public:
  struct Window {
    Sequence first, last;
  };
  Windows(const Selection& selection, Sequence messages_max) noexcept : rest_(selection), messages_max_(messages_max) {}
  [[nodiscard]] std::optional<Window> next() noexcept;

 private:
  static constexpr Sequence gap_max = 32;
  std::span<const engine::NumberRange> rest_;
  Sequence messages_max_;
  Sequence done_ = 0;  // the last sequence number given
};

}  // namespace keystonemail::service::imap
