// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "server/privileges.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>

#include "base/format.hpp"
#include "base/try.hpp"

namespace keystonemail::host {

namespace {

constexpr int directories_deep_max = 8;  // blobs/, dkim/DOMAIN/ and tls/ are two at most

// Takes the descriptor.
bool give_folder(int folder, Identity to, int deep) {
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(folder), ::closedir);
  if (!listing) {
    ::close(folder);
    return false;
  }
  bool given = ::fchown(folder, to.user, to.group) == 0;
  while (const dirent* entry = ::readdir(listing.get())) {
    const std::string_view name = entry->d_name;
    struct stat found {};
    if (name == "." || name == ".." || ::fstatat(folder, entry->d_name, &found, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (S_ISDIR(found.st_mode)) {
      const int inner = ::openat(folder, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
      given = (inner < 0 || deep == directories_deep_max ? (::close(inner), false) : give_folder(inner, to, deep + 1)) && given;
    } else if (S_ISREG(found.st_mode) && found.st_uid == 0 && found.st_nlink == 1) {
      given = ::fchownat(folder, entry->d_name, to.user, to.group, AT_SYMLINK_NOFOLLOW) == 0 && given;
    }
  }
  return given;
}

}  // namespace

Result<Identity> find_user(const std::string& name) {
  errno = 0;
  const passwd* entry = getpwnam(name.c_str());  // before there are threads
  if (!entry) return fail(ErrorKind::not_found, format("there is no user {}", name));
  return Identity{entry->pw_uid, entry->pw_gid};
}

Result<void> give_data(const std::string& directory, const std::string& user) {
  if (geteuid() != 0) return {};
  const int folder = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0) return {};
  struct stat found {};
  Result<Identity> to = ::fstat(folder, &found) == 0 ? Result<Identity>(Identity{found.st_uid, found.st_gid}) : fail(ErrorKind::denied, directory);
  if (!user.empty()) to = find_user(user);
  if (!to || to->user == 0) {
    ::close(folder);
    return to ? Result<void>() : std::unexpected(to.error());
  }
  if (give_folder(folder, *to, 0)) return {};
  return fail(ErrorKind::denied, format("cannot give all of {} to {}", directory, user.empty() ? "its owner" : user));
}

void forgo_new_privileges() noexcept { (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }

Result<void> become(const std::string& name) {
  if (geteuid() != 0) return {};
  KM_TRY(const Identity identity, find_user(name));
  if (setgroups(0, nullptr) != 0 || setgid(identity.group) != 0 || setuid(identity.user) != 0)
    return fail(ErrorKind::denied, format("cannot become {}: {}", name, std::strerror(errno)));
  if (identity.user != 0 && setuid(0) == 0) return fail(ErrorKind::denied, "root was not given up");
  return {};
}

}  // namespace keystonemail::host
