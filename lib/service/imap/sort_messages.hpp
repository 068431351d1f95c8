// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The order of SORT (RFC 5256 §3).
#pragma once

#include <span>
#include <vector>

#include "service/imap/engine.hpp"
#include "service/imap/message_facts.hpp"

namespace keystonemail::service::imap {

// Places in `sequences` (ascending) in the order that `criteria` ask for; those alike by sequence number. Messages that went
// meanwhile are left out. Errors: too_large above limits::sort_octets_max; those of the store and of `pause`.
[[nodiscard]] Task<Result<std::vector<std::uint32_t>>> sort_messages(MailStore& store, AccountId account, const MailboxView& view,
                                                                     std::span<const Sequence> sequences,
                                                                     std::span<const engine::SortCriterion> criteria,
                                                                     const Pause& pause, Context context);

}  // namespace keystonemail::service::imap
