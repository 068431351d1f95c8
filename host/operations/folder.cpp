// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "operations/folder.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>

#include "base/try.hpp"
#include "operations/files.hpp"

namespace keystonemail::host {

namespace {

FileKind kind_of(mode_t mode) {
  return S_ISREG(mode) ? FileKind::file : S_ISDIR(mode) ? FileKind::directory : S_ISLNK(mode) ? FileKind::link : FileKind::other;
}

struct DirectoryCloser {
  void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};

}  // namespace

Result<Folder> Folder::open(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return file_error(path, errno);
  return Folder(path, descriptor);
}

Folder::~Folder() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<int> Folder::open_at(const std::string& name, int flags) const {
  const int descriptor = ::openat(descriptor_, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | flags);
  if (descriptor >= 0) return descriptor;
  const int code = errno;  // ELOOP or ENOTDIR of a link
  const std::string path = path_ + "/" + name;
  if (kind(name) == FileKind::link) return fail(ErrorKind::denied, path + ": a symbolic link, which is not followed");
  return file_error(path, code);
}

Result<Folder> Folder::folder(const std::string& name) const {
  KM_TRY(const int same, open_at(".", O_DIRECTORY));
  Folder at(path_, same);
  for (std::string_view left = name; !left.empty();) {
    const std::string part(left.substr(0, left.find('/')));
    left.remove_prefix(std::min(part.size() + 1, left.size()));
    KM_TRY(const int next, at.open_at(part, O_DIRECTORY));
    at = Folder(at.path_ + "/" + part, next);
  }
  return at;
}

Result<File> Folder::file(const std::string& name) const {
  KM_TRY(const int descriptor, open_at(name, O_NONBLOCK));  // a pipe must not keep us waiting
  struct stat status {};
  if (::fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor);
    return fail(ErrorKind::denied, path_ + "/" + name + ": no regular file");
  }
  File file(::fdopen(descriptor, "rb"));
  if (!file) ::close(descriptor);
  if (!file) return file_error(path_ + "/" + name, errno);
  return file;
}

Result<std::vector<Folder::Item>> Folder::items() const {
  KM_TRY(const int descriptor, open_at(".", O_DIRECTORY));
  const std::unique_ptr<DIR, DirectoryCloser> directory(::fdopendir(descriptor));
  if (!directory) ::close(descriptor);
  if (!directory) return file_error(path_, errno);
  std::vector<Item> all;
  errno = 0;
  while (const dirent* one = ::readdir(directory.get())) {
    std::string name = one->d_name;
    if (name == "." || name == "..") continue;
    const auto found = kind(name);
    if (found) all.push_back({std::move(name), *found});
    errno = 0;
  }
  if (errno != 0) return file_error(path_, errno);
  std::ranges::sort(all, {}, &Item::name);
  return all;
}

std::optional<FileKind> Folder::kind(const std::string& name) const {
  struct stat status {};
  if (::fstatat(descriptor_, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return std::nullopt;
  return kind_of(status.st_mode);
}

}  // namespace keystonemail::host
