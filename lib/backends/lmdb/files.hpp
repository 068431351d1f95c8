// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The questions about files and file systems that come before a store is opened or grows.
#pragma once

#include <cstdint>
#include <string>

#include "keystonemail/base/result.hpp"

namespace keystonemail::lmdb {

// Makes `directory`, mode 0700, and syncs its parent, unless it is there.
[[nodiscard]] Result<void> make_directory(const std::string& directory);
[[nodiscard]] Result<void> sync_directory(const std::string& directory);
// Errors: invalid for network, FUSE and overlay file systems.
[[nodiscard]] Result<void> check_file_system(const std::string& directory);

struct FreeSpace {
  std::uint64_t octets = 0;
  std::uint64_t total_octets = 0;
  bool inodes_low = false;  // less than 5 % left, where the file system counts them
};
[[nodiscard]] Result<FreeSpace> free_space(const std::string& directory);

}  // namespace keystonemail::lmdb
