// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Backups: a directory for each, named by its time, with the index, the segment files, the keys that lie beside them, and a
// manifest of SHA-256 digests:
//
//   keystone-mail backup 2
//   9f86d0...  40960  data.mdb
//   60303a...  1048576  blobs/0000000001.segment
//   5feceb...  65  srs.key
//   6b86b2...  1704  dkim/example.org/20261231r.pem
//
// Those whose first line ends in 1 have no keys. Files are readable by their owner alone: they hold secrets.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "keystonemail/base/result.hpp"
#include "operations/progress.hpp"

namespace keystonemail::host {

class Stores;

struct BackedUp {
  std::string directory;                  // of this backup
  std::uint64_t files = 0, octets = 0;
  std::uint64_t files_shared = 0;         // hard links to an older backup's
  // Of a restore: what was there lies here now; empty: nothing was.
  std::string moved_aside = {};
  bool has_own_certificates = false;      // the certificates of the backup have expired, so those that were there are in use
};

// Copies the stores as they are at one moment while they go on working: the index by a snapshot, then the segments,
// which hold all that it names. Files that the newest backup in `target` has are linked, not copied. All is synced
// and read back before the backup takes its name.
// What backups left there that were killed is removed first.
// Blocks. Threads: any. Errors: invalid (`target` is in the data directory), conflict (another backup is being made there), unavailable, cancelled, corrupt (what was written reads otherwise).
// REQUIRES: nothing collects segments meanwhile.
[[nodiscard]] Result<BackedUp> backup(Stores& stores, const std::string& data_directory, const std::string& target,
                                      Progress& progress, const std::stop_token& stop);

enum class Force : bool { no, yes };

// Puts a backup, or the newest one in a directory of them, into `data_directory`, once every digest is found right.
// Errors: conflict (there is a store, or a server runs on it), corrupt (names the file), not_found, unavailable. With
// Force::yes a store that is there is moved aside, into "before-restore-...". So are keys and certificates that are there, force or
// not, when the backup has some of that kind. Certificates of the backup that have expired are moved there instead of those that are
// in their place.
[[nodiscard]] Result<BackedUp> restore(const std::string& from, const std::string& data_directory, Force force,
                                       Progress& progress);

}  // namespace keystonemail::host
