// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/segments/spool_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "base/try.hpp"
#include "kv/disk.hpp"

namespace keystonemail::segments {

SpoolFile::~SpoolFile() {
  if (fd_ >= 0) ::close(fd_);
}

Result<void> SpoolFile::create() {
  std::string name = directory_ + "/spool-XXXXXX";
  fd_ = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd_ < 0) return kv::disk_failed(errno, "create " + name);
  ::unlink(name.c_str());
  return {};
}

Result<void> SpoolFile::write(std::string_view octets) {
  if (fd_ < 0) KM_CHECK(create());
  while (!octets.empty()) {
    const auto put = ::pwrite(fd_, octets.data(), octets.size(), static_cast<off_t>(octets_));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return kv::disk_failed(put < 0 ? errno : ENOSPC, "write spooled content");
    octets_ += static_cast<std::uint64_t>(put);
    octets.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

Result<void> SpoolFile::read(std::uint64_t offset, std::size_t octets, std::string& out) const {
  octets = static_cast<std::size_t>(std::min<std::uint64_t>(octets, octets_ - std::min(offset, octets_)));
  const std::size_t begin = out.size();
  int code = 0;
  out.resize_and_overwrite(begin + octets, [&](char* text, std::size_t) {
    std::size_t at = begin;
    while (at < begin + octets) {
      const auto got = ::pread(fd_, text + at, begin + octets - at, static_cast<off_t>(offset + at - begin));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) {
        code = got < 0 ? errno : EIO;
        break;
      }
      at += static_cast<std::size_t>(got);
    }
    return at;
  });
  return code == 0 ? Result<void>() : kv::disk_failed(code, "read spooled content");
}

}  // namespace keystonemail::segments
