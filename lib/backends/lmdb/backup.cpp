// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/lmdb/backup.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "backends/lmdb/errors.hpp"
#include "base/try.hpp"
#include "kv/disk.hpp"

namespace keystonemail::lmdb {

Result<void> copy_environment(MDB_env* env, const std::string& file, Compaction compaction) {
  const std::string temporary = file + ".part";
  ::unlink(temporary.c_str());
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return failed(errno, "open " + temporary);
  int code = mdb_env_copyfd2(env, fd, compaction == Compaction::yes ? MDB_CP_COMPACT : 0);
  if (code == 0 && ::fsync(fd) != 0) code = errno;  // LMDB does not
  if (::close(fd) != 0 && code == 0) code = errno;
  if (code == 0 && ::rename(temporary.c_str(), file.c_str()) != 0) code = errno;
  if (code != 0) {
    ::unlink(temporary.c_str());
    return failed(code, "copy to " + file);
  }
  const auto directory = std::filesystem::path(file).parent_path().string();
  return kv::sync_directory(directory.empty() ? "." : directory);
}

}  // namespace keystonemail::lmdb
