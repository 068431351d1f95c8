// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#pragma once

#include <string>

#include "keystonemail/base/result.hpp"

namespace keystonemail::host {

struct Identity {
  unsigned user = 0, group = 0;
};

// Errors: not_found.
[[nodiscard]] Result<Identity> find_user(const std::string& name);
// What root has made in the data directory belongs to `user`, or, where none is named, to whom the directory belongs: a server that
// is not root has to open it. Follows no links, and leaves what somebody else owns or what has another name elsewhere. Does nothing
// when not root, or where there is no such directory. Errors: not_found, denied.
[[nodiscard]] Result<void> give_data(const std::string& directory, const std::string& user);
// No thread that begins after this can gain privileges by running a program. REQUIRES: there is one thread.
void forgo_new_privileges() noexcept;
// Gives up root for good; every capability goes with it. Does nothing when not root. Errors: denied.
[[nodiscard]] Result<void> become(const std::string& name);

}  // namespace keystonemail::host
