// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The last resort when the index is gone: the segment files alone hold larger mail, and notes of whose it is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/base/task.hpp"
#include "operations/progress.hpp"

namespace keystonemail::host {

// What was found of one account, which the files know by its number alone.
struct SalvagedAccount {
  std::string directory;                // a Maildir, for import
  std::string delivered_to;             // where most of its mail was sent to; empty when no message says so
  std::uint64_t messages = 0;
};

struct Salvaged {
  std::vector<SalvagedAccount> accounts;
  std::string unclaimed;                // a Maildir of what no note names; empty when there is nothing like it
  std::uint64_t messages = 0;           // byte for byte as they were, in the Maildirs of accounts
  std::uint64_t unclaimed_messages = 0;  // as they were received, or without their attachments
  std::uint64_t attachments = 0;        // each in a message of its own, unclaimed
  std::uint64_t there_already = 0;      // from an earlier run
  std::uint64_t octets = 0;             // written
  std::vector<std::string> damaged;     // what could not be read whole
};

// Writes the mail in the segment files of `data_directory` to Maildirs below `target`: one for each account, with its
// mailboxes, of what has a note; one more, "unclaimed", of the rest, where what is no message becomes the attachment of one.
// Nothing in the data directory is changed, and what a Maildir has already is not written again. Mail deleted lately is there
// too: files are tidied up later. Errors: not_found when there are no segments; those of files.
// Memory: 200 octets for each record, the largest unclaimed one three times.
[[nodiscard]] Task<Result<Salvaged>> salvage(std::string data_directory, std::string target, Progress& progress, Context context);

}  // namespace keystonemail::host
