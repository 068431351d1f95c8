// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Preloaded between a program and libc: records its file work below one folder, or makes it fail.
//
//   KEYSTONEMAIL_IO_DIR=/path        the folder whose files count
//   KEYSTONEMAIL_IO_TRACE=/path      record to this file (io_trace.hpp); writes to DIR/ledger are marks
//   KEYSTONEMAIL_IO_FAIL=k:errno:mode   the k-th operation (from 1) fails with that errno. mode: `once`, `sticky` (all
//                                    later ones fail too), `short` (a write writes half and says so). k = 0 counts only
//   KEYSTONEMAIL_IO_NOSYNC=1         syncs are claimed and not done: the control that must lose mail
//   KEYSTONEMAIL_IO_COUNT=/path      on exit, the number of operations is written here
//
// The names libc calls are defined here as they are, so headers must neither rename them (open to open64) nor wrap them.
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "io_trace.hpp"

namespace {

using keystonemail::test::TraceHeader;
using keystonemail::test::TraceOp;

template <class Function>
Function real(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

struct File {
  std::uint32_t number;
  bool durable = false, directory = false, ledger = false;
  bool unnamed = false;            // a temporary file: its work may fail, but no power failure leaves it
  std::string path;
};

enum class Failure { none, whole, half };

class Shim {
 public:
  Shim() {
    if (const char* value = getenv("KEYSTONEMAIL_IO_DIR")) directory_ = value;
    if (const char* value = getenv("KEYSTONEMAIL_IO_TRACE")) {
      trace_ = real<int (*)(const char*, int, ...)>("open")(value, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    }
    if (const char* value = getenv("KEYSTONEMAIL_IO_FAIL")) {
      char mode[16] = "once";
      std::sscanf(value, "%lu:%d:%15s", &fail_at_, &fail_errno_, mode);
      sticky_ = std::string_view(mode) == "sticky";
      half_ = std::string_view(mode) == "short";
    }
    nosync_ = getenv("KEYSTONEMAIL_IO_NOSYNC") != nullptr;
  }
  ~Shim() {
    const char* path = getenv("KEYSTONEMAIL_IO_COUNT");
    if (path == nullptr) return;
    const std::string text = std::to_string(operations_) + "\n";
    const int fd = real<int (*)(const char*, int, ...)>("open")(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    (void)!real<ssize_t (*)(int, const void*, size_t)>("write")(fd, text.data(), text.size());
  }

  std::recursive_mutex mutex;

  [[nodiscard]] bool nosync() const { return nosync_; }
  // The path below the folder, or nothing.
  [[nodiscard]] const char* relative(const char* path) const {
    if (directory_.empty() || path == nullptr || std::strncmp(path, directory_.c_str(), directory_.size()) != 0) return nullptr;
    const char* rest = path + directory_.size();
    if (*rest == '\0') return ".";
    return *rest == '/' ? rest + 1 : nullptr;
  }
  [[nodiscard]] File* find(int fd) {
    const auto found = files_.find(fd);
    return found == files_.end() ? nullptr : &found->second;
  }
  void opened(int fd, const char* relative_path, int flags) {
    struct stat about {};
    File file{.number = 0};
    file.directory = fstat(fd, &about) == 0 && S_ISDIR(about.st_mode);
    file.durable = (flags & O_DSYNC) != 0;
    file.ledger = std::string_view(relative_path) == "ledger";
    file.path = relative_path;
    const auto [entry, fresh] = numbers_.try_emplace(relative_path, static_cast<std::uint32_t>(numbers_.size()));
    file.number = entry->second;
    if (file.path == "data.mdb" && !file.durable) tell_ledger("opened data.mdb\n");
    files_.insert_or_assign(fd, file);
    if (!file.ledger && !file.directory && (fresh || (flags & (O_CREAT | O_TRUNC)) != 0)) {
      record({TraceOp::open, file.number, 0, 0, 0}, relative_path);
      if ((flags & O_TRUNC) != 0) record({TraceOp::truncate, file.number, 0, 0, 0}, {});
    }
  }
  void opened_unnamed(int fd) { files_.insert_or_assign(fd, File{.number = 0, .unnamed = true}); }
  void closed(int fd) { files_.erase(fd); }
  // Where faults are injected, the ledger has what the judge must know of them, in its place among the acknowledgements.
  void tell_ledger(std::string_view line) const {
    if (fail_at_ == 0) return;
    const int fd = real<int (*)(const char*, int, ...)>("open")((directory_ + "/ledger").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    (void)!real<ssize_t (*)(int, const void*, size_t)>("write")(fd, line.data(), line.size());
    real<int (*)(int)>("close")(fd);
  }

  void record(TraceHeader header, std::string_view payload) {
    if (trace_ < 0) return;
    header.octets = static_cast<std::uint32_t>(payload.size());
    const iovec parts[] = {{&header, sizeof header}, {const_cast<char*>(payload.data()), payload.size()}};
    (void)!real<ssize_t (*)(int, const iovec*, int)>("writev")(trace_, parts, 2);
  }
  // Counts one operation and says whether it is to fail.
  [[nodiscard]] Failure next(bool can_be_short = false) {
    ++operations_;
    if (fail_at_ == 0 || operations_ < fail_at_ || (operations_ > fail_at_ && !sticky_)) return Failure::none;
    if (half_ && can_be_short) return Failure::half;
    errno = fail_errno_;
    return Failure::whole;
  }

 private:
  std::string directory_;
  int trace_ = -1;
  unsigned long fail_at_ = 0, operations_ = 0;
  int fail_errno_ = EIO;
  bool sticky_ = false, half_ = false, nosync_ = false;
  std::map<int, File> files_;
  std::map<std::string, std::uint32_t> numbers_;
};

Shim& shim() {
  static Shim instance;
  return instance;
}

int open_through(const char* path, int flags, mode_t mode, const char* name) {
  const auto call = real<int (*)(const char*, int, ...)>(name);
  const std::lock_guard lock(shim().mutex);
  const char* relative = shim().relative(path);
  if (relative == nullptr) return call(path, flags, mode);
  const bool ledger = std::string_view(relative) == "ledger";
  if (!ledger && shim().next() != Failure::none) return -1;
  const int fd = call(path, flags, mode);
  if (fd >= 0) shim().opened(fd, relative, flags);
  return fd;
}

// One write of any kind: `write_octets(n)` does it for the first n octets.
template <class WriteOctets>
ssize_t write_through(int fd, std::uint64_t offset, std::string_view octets, WriteOctets write_octets) {
  const std::lock_guard lock(shim().mutex);
  File* file = shim().find(fd);
  if (file == nullptr) return write_octets(octets.size());
  if (file->ledger) {
    shim().record({TraceOp::mark, 0, 0, 0, 0}, octets);
    return write_octets(octets.size());
  }
  const Failure failure = shim().next(true);
  if (failure == Failure::whole) return -1;
  const std::size_t size = failure == Failure::half ? octets.size() / 2 : octets.size();
  const ssize_t written = write_octets(size);
  if (written > 0 && !file->unnamed) {
    shim().record({TraceOp::write, file->number, offset, 0, file->durable && !shim().nosync() ? 1U : 0U},
                  octets.substr(0, static_cast<std::size_t>(written)));
  }
  return written;
}

std::string joined(const iovec* parts, int count) {
  std::string all;
  for (int i = 0; i < count; ++i) all.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
  return all;
}

int sync_through(int fd, const char* name) {
  const auto call = real<int (*)(int)>(name);
  const std::lock_guard lock(shim().mutex);
  File* file = shim().find(fd);
  if (file == nullptr) return call(fd);
  if (shim().next() != Failure::none) {
    if (!file->directory) shim().tell_ledger("sync-failed " + file->path + "\n");
    return -1;
  }
  if (shim().nosync()) return 0;
  // The trace is what is judged; the disk below need not be waited for.
  shim().record({file->directory ? TraceOp::sync_dir : TraceOp::sync, file->number, 0, 0, 0},
                file->directory ? std::string_view(file->path) : std::string_view());
  return getenv("KEYSTONEMAIL_IO_TRACE") != nullptr ? 0 : call(fd);
}

std::uint64_t position(int fd) {
  const off_t at = lseek(fd, 0, SEEK_CUR);
  return at < 0 ? 0 : static_cast<std::uint64_t>(at);
}

}  // namespace

extern "C" {

#define SHIM __attribute__((visibility("default")))

SHIM int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return open_through(path, flags, mode, "open");
}
SHIM int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return open_through(path, flags, mode, "open64");
}
// What FORTIFY makes of open() with two arguments.
SHIM int __open_2(const char* path, int flags) { return open_through(path, flags, 0, "open"); }
SHIM int __open64_2(const char* path, int flags) { return open_through(path, flags, 0, "open64"); }
SHIM int close(int fd) {
  const std::lock_guard lock(shim().mutex);
  shim().closed(fd);
  return real<int (*)(int)>("close")(fd);
}
SHIM ssize_t write(int fd, const void* octets, size_t size) {
  const auto call = real<ssize_t (*)(int, const void*, size_t)>("write");
  return write_through(fd, shim().find(fd) != nullptr ? position(fd) : 0, {static_cast<const char*>(octets), size},
                       [&](std::size_t n) { return call(fd, octets, n); });
}
SHIM ssize_t pwrite(int fd, const void* octets, size_t size, off_t offset) {
  const auto call = real<ssize_t (*)(int, const void*, size_t, off_t)>("pwrite");
  return write_through(fd, static_cast<std::uint64_t>(offset), {static_cast<const char*>(octets), size},
                       [&](std::size_t n) { return call(fd, octets, n, offset); });
}
SHIM ssize_t pwrite64(int fd, const void* octets, size_t size, off64_t offset) { return pwrite(fd, octets, size, offset); }
SHIM ssize_t writev(int fd, const iovec* parts, int count) {
  if (shim().find(fd) == nullptr) return real<ssize_t (*)(int, const iovec*, int)>("writev")(fd, parts, count);
  const std::string all = joined(parts, count);
  return write(fd, all.data(), all.size());
}
SHIM ssize_t pwritev(int fd, const iovec* parts, int count, off_t offset) {
  if (shim().find(fd) == nullptr) return real<ssize_t (*)(int, const iovec*, int, off_t)>("pwritev")(fd, parts, count, offset);
  const std::string all = joined(parts, count);
  return pwrite(fd, all.data(), all.size(), offset);
}
SHIM ssize_t pwritev64(int fd, const iovec* parts, int count, off64_t offset) { return pwritev(fd, parts, count, offset); }
SHIM int mkostemp(char* path, int flags) {
  const auto call = real<int (*)(char*, int)>("mkostemp");
  const std::lock_guard lock(shim().mutex);
  if (shim().relative(path) == nullptr) return call(path, flags);
  if (shim().next() != Failure::none) return -1;
  const int fd = call(path, flags);
  if (fd >= 0) shim().opened_unnamed(fd);
  return fd;
}
SHIM int mkostemp64(char* path, int flags) { return mkostemp(path, flags); }
SHIM int mkdir(const char* path, mode_t mode) {
  const std::lock_guard lock(shim().mutex);
  if (shim().relative(path) != nullptr && shim().next() != Failure::none) return -1;
  return real<int (*)(const char*, mode_t)>("mkdir")(path, mode);
}
SHIM int fsync(int fd) { return sync_through(fd, "fsync"); }
SHIM int fdatasync(int fd) { return sync_through(fd, "fdatasync"); }
SHIM int ftruncate(int fd, off_t size) {
  const std::lock_guard lock(shim().mutex);
  File* file = shim().find(fd);
  if (file != nullptr && !file->ledger) {
    if (shim().next() != Failure::none) return -1;
    if (!file->unnamed) shim().record({TraceOp::truncate, file->number, static_cast<std::uint64_t>(size), 0, 0}, {});
  }
  return real<int (*)(int, off_t)>("ftruncate")(fd, size);
}
// With FALLOC_FL_KEEP_SIZE it changes no content, so there is nothing to record.
SHIM int fallocate(int fd, int mode, off_t offset, off_t size) {
  const std::lock_guard lock(shim().mutex);
  if (shim().find(fd) != nullptr && shim().next() != Failure::none) return -1;
  return real<int (*)(int, int, off_t, off_t)>("fallocate")(fd, mode, offset, size);
}
SHIM int fallocate64(int fd, int mode, off64_t offset, off64_t size) { return fallocate(fd, mode, offset, size); }
SHIM int ftruncate64(int fd, off64_t size) { return ftruncate(fd, size); }
SHIM int rename(const char* from, const char* to) {
  const std::lock_guard lock(shim().mutex);
  const char* relative_from = shim().relative(from);
  const char* relative_to = shim().relative(to);
  if (relative_from != nullptr && relative_to != nullptr) {
    if (shim().next() != Failure::none) return -1;
    shim().record({TraceOp::rename, 0, 0, 0, 0}, std::string(relative_from) + '\0' + relative_to);
  }
  return real<int (*)(const char*, const char*)>("rename")(from, to);
}
SHIM int unlink(const char* path) {
  const std::lock_guard lock(shim().mutex);
  if (const char* relative = shim().relative(path)) {
    if (shim().next() != Failure::none) return -1;
    shim().record({TraceOp::unlink, 0, 0, 0, 0}, relative);
  }
  return real<int (*)(const char*)>("unlink")(path);
}

}  // extern "C"
