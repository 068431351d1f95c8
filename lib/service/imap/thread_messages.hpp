// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The threads of THREAD (RFC 5256 §3).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "keystonemail/base/result.hpp"
#include "keystonemail/base/task.hpp"
#include "keystonemail/base/time.hpp"
#include "service/imap/pause.hpp"

namespace keystonemail::service::imap {

namespace limits {
inline constexpr std::uint64_t thread_steps_max = 100'000'000;  // ancestors looked at, half a second (attack B8)
}

// What threading asks of a message. In the order of the mailbox.
struct ThreadItem {
  std::uint32_t number = 0;              // as it is answered: sequence number or UID
  WallTime sent{};
  std::string subject;                   // the base subject, folded
  bool reply = false;                    // to, or a forward of, that subject
  std::string id;                        // its Message-ID; empty when it has none
  std::vector<std::string> references;   // oldest first; for want of them the first of In-Reply-To
};

// Message-IDs that differ in quoting alone are the same (RFC 5256 §3).
[[nodiscard]] std::string normal_message_id(std::string_view id);

// What stands in "* THREAD ...". Errors: too_large above limits::thread_steps_max; those of `pause`. Linear, but for the sorting and a
// look at ancestors that only messages out of order need.
[[nodiscard]] Task<Result<std::string>> thread_by_references(std::vector<ThreadItem> items, const Pause& pause);
[[nodiscard]] Task<Result<std::string>> thread_by_subject(std::vector<ThreadItem> items, const Pause& pause);

}  // namespace keystonemail::service::imap
