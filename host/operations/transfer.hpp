// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "commands/commands.hpp"
#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/base/task.hpp"
#include "operations/progress.hpp"

namespace keystonemail::host {

struct Transferred {
  std::uint64_t mailboxes = 0, messages = 0, octets = 0;
  std::uint64_t skipped = 0;              // there already
  std::uint64_t failed = 0;
  std::uint64_t mailboxes_failed = 0;     // passed over, or read in part
  std::vector<std::string> problems;      // the first thousand, each naming its message or mailbox

  void problem(std::string text);
  void mailbox_problem(std::string text);
};

// Writes the mail of an account, or of one mailbox of it, to files: for Maildir a directory; for mbox a directory with a
// file for each mailbox, or one file when one mailbox is asked for. An mbox that is there is not overwritten; in a
// Maildir messages that are there are passed over. Synced at the end.
// Errors: not_found (account, mailbox), conflict (the file is there), unavailable. Memory: a mailbox's listing.
[[nodiscard]] Task<Result<Transferred>> export_mail(Stores& stores, TransferRequest request, Progress& progress, Context context);

// Reads mail from files into an account; mailboxes are made as needed. A message whose Message-ID and size are in its
// mailbox already is skipped, so that what was interrupted can be done again. A message, a folder or a name that is no good is
// passed over and told of. Links are not followed, but in the path itself: who imports may read more than whose mail it is.
// Errors: not_found, invalid (no mail there), unavailable. Memory: two messages, a listing of the mailbox.
[[nodiscard]] Task<Result<Transferred>> import_mail(Stores& stores, TransferRequest request, std::uint64_t message_octets_max,
                                                    Progress& progress, Context context);

// Prints the summary and problems; the exit status.
[[nodiscard]] int print_transferred(const Result<Transferred>& result, std::string_view done, Output output);

}  // namespace keystonemail::host
