// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/plugin/library.hpp"

#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "base/format.hpp"
#include "base/try.hpp"

namespace keystonemail::plugin {

namespace {

// In a folder with the sticky bit only an entry's owner may replace it, as in /tmp. A link's own mode means nothing.
bool others_may_write(const struct stat& entry) noexcept {
  if (S_ISLNK(entry.st_mode)) return false;
  if (S_ISDIR(entry.st_mode) && (entry.st_mode & S_ISVTX)) return false;
  return (entry.st_mode & (S_IWGRP | S_IWOTH)) != 0;
}

Result<void> check_entry(const std::string& path, std::optional<std::uint32_t> service_user) {
  struct stat entry {};
  if (lstat(path.c_str(), &entry) != 0) return fail(ErrorKind::not_found, format("{} cannot be read", path));
  if (entry.st_uid != 0 && entry.st_uid != geteuid())
    return fail(ErrorKind::denied, format("{} belongs to user {}, neither root nor the present one", path, entry.st_uid));
  if (entry.st_uid != 0 && service_user && entry.st_uid == *service_user)
    return fail(ErrorKind::denied, format("{} belongs to the user the server runs as", path));
  if (others_may_write(entry)) return fail(ErrorKind::denied, format("{} may be written by others than its owner", path));
  return {};
}

}  // namespace

Result<void> check_writers(const std::string& path, std::optional<std::uint32_t> service_user) {
  if (!path.starts_with('/') || path.find('\0') != std::string::npos)
    return fail(ErrorKind::invalid, format("{} is not an absolute path", path));
  std::error_code problem;
  const auto real = std::filesystem::canonical(path, problem);
  if (problem) return fail(ErrorKind::not_found, format("{}: {}", path, problem.message()));
  if (!std::filesystem::is_regular_file(real, problem)) return fail(ErrorKind::invalid, format("{} is not a file", path));
  // The path as written too: a link in it could be turned elsewhere.
  for (const std::filesystem::path& start : {std::filesystem::path(path).lexically_normal(), real}) {
    for (auto entry = start;; entry = entry.parent_path()) {
      KM_CHECK(check_entry(entry.string(), service_user));
      if (entry == entry.parent_path()) break;
    }
  }
  return {};
}

Result<Library> Library::load(const std::string& path) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char* reason = dlerror();
    return fail(ErrorKind::invalid, format("{} cannot be loaded: {}", path, reason ? reason : "no reason given"));
  }
  return Library(handle);
}

Library& Library::operator=(Library&& other) noexcept {
  std::swap(handle_, other.handle_);
  return *this;
}

Library::~Library() {
  if (handle_) dlclose(handle_);
}

void* Library::symbol(const char* name) const noexcept { return dlsym(handle_, name); }

}  // namespace keystonemail::plugin
