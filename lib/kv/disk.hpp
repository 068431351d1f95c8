// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What backends ask of files and file systems before a store is opened or grows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "keystonemail/base/result.hpp"

namespace keystonemail::kv {

// The error for an errno; `what` names the step for the log. Errors: always unavailable.
[[nodiscard]] Error disk_error(int code, std::string_view what);
[[nodiscard]] inline std::unexpected<Error> disk_failed(int code, std::string_view what) {
  return std::unexpected(disk_error(code, what));
}

// Makes `directory`, mode 0700, and syncs its parent, unless it is there.
[[nodiscard]] Result<void> make_directory(const std::string& directory);
[[nodiscard]] Result<void> sync_directory(const std::string& directory);
// Errors: invalid for network, FUSE and overlay file systems.
[[nodiscard]] Result<void> check_file_system(const std::string& directory);

// What may still be written there; nothing when the question fails.
[[nodiscard]] std::optional<std::uint64_t> free_octets(const std::string& directory) noexcept;

// What must stay free for deletions to work: never more than a quarter of the file system.
struct FreeSpaceRule {
  std::uint64_t octets_min = 0;
  unsigned percent_min = 0;  // of storage; when not 0, also 5 % of the inodes where they are counted
  std::uint64_t octets_at_hand = 0;  // held in a file already, and as good as free
};
// True also when the question itself fails: the write then finds out.
[[nodiscard]] bool has_room(const std::string& directory, const FreeSpaceRule& rule) noexcept;

}  // namespace keystonemail::kv
