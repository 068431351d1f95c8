// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/lmdb/owner_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "backends/lmdb/errors.hpp"
#include "base/format.hpp"
#include "keystonemail/base/text.hpp"

namespace keystonemail::lmdb {

Result<OwnerLock> OwnerLock::acquire(const std::string& file) {
  const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return failed(errno, "open " + file);
  OwnerLock lock(fd);
  std::array<char, 32> holder{};
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return failed(errno, "lock " + file);
    const auto octets = ::pread(fd, holder.data(), holder.size(), 0);
    const std::string_view pid(holder.data(), octets > 0 ? static_cast<std::size_t>(octets) : 0);
    return fail(ErrorKind::unavailable, "storage is in use",
                format("{} is held by process {}", file, pid.empty() ? "?" : trim(pid)));
  }
  // The pid is for people; the lock is what counts, so a failed write is no reason to refuse.
  const std::string pid = format("{}\n", ::getpid());
  if (::ftruncate(fd, 0) == 0) (void)!::pwrite(fd, pid.data(), pid.size(), 0);
  return lock;
}

OwnerLock::~OwnerLock() {
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace keystonemail::lmdb
