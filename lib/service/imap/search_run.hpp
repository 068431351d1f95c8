// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Running a SearchProgram over a mailbox: what is cheap is asked of all messages first, and a message is read only when
// nothing else has settled whether it matches.
#pragma once

#include <cstdint>
#include <vector>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/base/task.hpp"
#include "keystonemail/mailstore/mailstore.hpp"
#include "service/imap/mailbox_view.hpp"
#include "service/imap/pause.hpp"
#include "service/imap/search_program.hpp"

namespace keystonemail::service::imap {

namespace limits {
inline constexpr std::uint64_t search_steps_max = 200'000'000;       // nodes asked, about a second (attack B8)
inline constexpr std::uint64_t search_scan_octets_max = 1ULL << 40;  // octets read times needles looked for
}

struct SearchFound {
  std::vector<Sequence> sequences;       // ascending
  std::vector<ModSeq> modseqs;           // of each, if asked for
};

struct SearchOptions {
  WallTime now{};
  bool want_modseqs = false;             // RFC 7162 §3.1.5
  bool first_only = false;               // RETURN (MIN)
  std::uint64_t steps_max = limits::search_steps_max;
  Pause pause = {};                      // between slices of some ms; none: that of the context
};

// Errors: too_large when the work passes its limit; those of the store and of the pause.
[[nodiscard]] Task<Result<SearchFound>> run_search(MailStore& store, AccountId account, const MailboxView& view,
                                                   const SearchProgram& program, SearchOptions options, Context context);

}  // namespace keystonemail::service::imap
