// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "operations/maildir_writer.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/try.hpp"
#include "operations/files.hpp"

namespace keystonemail::host {

Result<MaildirWriter> MaildirWriter::open(std::filesystem::path folder) {
  for (const char* part : {"cur", "new", "tmp"}) KM_CHECK(make_directories(folder / part));
  return MaildirWriter(std::move(folder));
}

Result<void> MaildirWriter::begin(std::string_view unique) {
  temporary_ = folder_ / "tmp" / unique;
  ::unlink(temporary_.c_str());
  KM_TRY(file_, create_file(temporary_));
  return {};
}

Result<void> MaildirWriter::commit(std::string_view name, WallTime received) {
  const auto milliseconds = received.time_since_epoch().count();
  const timespec time{static_cast<time_t>(milliseconds / 1000), static_cast<long>(milliseconds % 1000) * 1'000'000};
  const timespec times[2] = {time, time};
  if (std::fflush(file_.get()) != 0 || std::ferror(file_.get()) != 0 || ::futimens(::fileno(file_.get()), times) != 0) return file_error(temporary_, errno);
  file_.reset();
  if (::rename(temporary_.c_str(), (folder_ / "cur" / name).c_str()) != 0) return file_error(temporary_, errno);
  return {};
}

void MaildirWriter::give_up() {
  file_.reset();
  ::unlink(temporary_.c_str());
}

Result<void> MaildirWriter::sync() {
  const int fd = ::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && ::syncfs(fd) == 0;
  const int code = errno;
  if (fd >= 0) ::close(fd);
  if (!synced) return file_error(folder_, code);
  return {};
}

}  // namespace keystonemail::host
