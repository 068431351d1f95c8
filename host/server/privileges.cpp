// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "server/privileges.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/format.hpp"
#include "base/try.hpp"

namespace keystonemail::host {

Result<Identity> find_user(const std::string& name) {
  errno = 0;
  const passwd* entry = getpwnam(name.c_str());  // before there are threads
  if (!entry) return fail(ErrorKind::not_found, format("there is no user {}", name));
  return Identity{entry->pw_uid, entry->pw_gid};
}

Result<void> become(const std::string& name) {
  if (geteuid() != 0) return {};
  KM_TRY(const Identity identity, find_user(name));
  if (setgroups(0, nullptr) != 0 || setgid(identity.group) != 0 || setuid(identity.user) != 0)
    return fail(ErrorKind::denied, format("cannot become {}: {}", name, std::strerror(errno)));
  if (identity.user != 0 && setuid(0) == 0) return fail(ErrorKind::denied, "root was not given up");
  (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return {};
}

}  // namespace keystonemail::host
