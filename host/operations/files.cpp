// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "operations/files.hpp"

#include <fcntl.h>

#include <cerrno>
#include <cstring>

namespace keystonemail::host {

namespace fs = std::filesystem;

std::unexpected<Error> file_error(const fs::path& path, int code) {
  const auto kind = code == EEXIST ? ErrorKind::conflict : code == ENOENT ? ErrorKind::not_found : ErrorKind::unavailable;
  return fail(kind, path.string() + ": " + std::strerror(code));
}

Result<File> create_file(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return file_error(path, errno);
  return File(::fdopen(fd, "wb"));
}

Result<void> make_directories(const fs::path& path) {
  std::error_code code;
  fs::create_directories(path, code);
  if (code) return file_error(path, code.value());
  return {};
}

}  // namespace keystonemail::host
