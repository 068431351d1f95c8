// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/lmdb/files.hpp"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "backends/lmdb/errors.hpp"
#include "base/format.hpp"
#include "base/try.hpp"

namespace keystonemail::lmdb {
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

Result<void> make_directory(const std::string& directory) {
  if (::mkdir(directory.c_str(), 0700) == 0) {
    const auto parent = std::filesystem::path(directory).lexically_normal().parent_path().string();
    return sync_directory(parent.empty() ? "." : parent);
  }
  if (errno != EEXIST) return failed(errno, "mkdir " + directory);
  return {};
}

Result<void> sync_directory(const std::string& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return failed(errno, "open " + directory);
  const int code = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  if (code != 0) return failed(code, "fsync " + directory);
  return {};
}

Result<void> check_file_system(const std::string& directory) {
  struct statfs found {};
  if (::statfs(directory.c_str(), &found) != 0) return failed(errno, "statfs " + directory);
  if (const char* name = unfit(static_cast<std::uint32_t>(found.f_type)))
    return fail(ErrorKind::invalid, "unfit file system", format("{} is on {}: a local file system is needed", directory, name));
  return {};
}

Result<FreeSpace> free_space(const std::string& directory) {
  struct statvfs found {};
  if (::statvfs(directory.c_str(), &found) != 0) return failed(errno, "statvfs " + directory);
  FreeSpace space;
  space.octets = static_cast<std::uint64_t>(found.f_bavail) * found.f_frsize;
  space.total_octets = static_cast<std::uint64_t>(found.f_blocks) * found.f_frsize;
  space.inodes_low = found.f_files > 0 && found.f_favail < found.f_files / 20;
  return space;
}

}  // namespace keystonemail::lmdb
