// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "kv/disk.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "base/format.hpp"
#include "base/try.hpp"

namespace keystonemail::kv {
namespace {

// Where locks, shared maps or syncs cannot be relied on. Numbers that linux/magic.h does not name are from statfs(2).
const char* unfit(std::uint32_t magic) noexcept {
  switch (magic) {
    case NFS_SUPER_MAGIC: return "nfs";
    case SMB_SUPER_MAGIC:
    case 0xfe534d42U:
    case 0xff534d42U: return "cifs";
    case V9FS_MAGIC: return "9p";
    case 0x65735546U: return "fuse";
    case OVERLAYFS_SUPER_MAGIC: return "overlay";
    case AFS_SUPER_MAGIC: return "afs";
    case 0x00c36400U: return "ceph";
    default: return nullptr;
  }
}

}  // namespace

Error disk_error(int code, std::string_view what) {
  const bool full = code == ENOSPC || code == EDQUOT;
  return Error(ErrorKind::unavailable, full ? "storage is full" : "storage is not available",
               format("{}: {}", what, std::generic_category().message(code)));
}

Result<void> make_directory(const std::string& directory) {
  if (::mkdir(directory.c_str(), 0700) == 0) {
    const auto parent = std::filesystem::path(directory).lexically_normal().parent_path().string();
    return sync_directory(parent.empty() ? "." : parent);
  }
  if (errno != EEXIST) return disk_failed(errno, "mkdir " + directory);
  return {};
}

Result<void> sync_directory(const std::string& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return disk_failed(errno, "open " + directory);
  const int code = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  if (code != 0) return disk_failed(code, "fsync " + directory);
  return {};
}

Result<void> check_file_system(const std::string& directory) {
  struct statfs found {};
  if (::statfs(directory.c_str(), &found) != 0) return disk_failed(errno, "statfs " + directory);
  if (const char* name = unfit(static_cast<std::uint32_t>(found.f_type)))
    return fail(ErrorKind::invalid, "unfit file system", format("{} is on {}: a local file system is needed", directory, name));
  return {};
}

std::optional<std::uint64_t> free_octets(const std::string& directory) noexcept {
  struct statvfs found {};
  if (::statvfs(directory.c_str(), &found) != 0) return std::nullopt;
  return static_cast<std::uint64_t>(found.f_bavail) * found.f_frsize;
}

bool has_room(const std::string& directory, const FreeSpaceRule& rule) noexcept {
  struct statvfs found {};
  if (::statvfs(directory.c_str(), &found) != 0) return true;
  const auto free = static_cast<std::uint64_t>(found.f_bavail) * found.f_frsize;
  const auto total = static_cast<std::uint64_t>(found.f_blocks) * found.f_frsize;
  const auto needed = std::min(std::max(total / 100 * rule.percent_min, rule.octets_min), total / 4);
  const bool inodes_low = rule.percent_min > 0 && found.f_files > 0 && found.f_favail < found.f_files / 20;
  return free + rule.octets_at_hand >= needed && !inodes_low;
}

}  // namespace keystonemail::kv
