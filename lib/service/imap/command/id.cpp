// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// ID (RFC 2971): who we are. What the client says of itself is not kept.
#include <array>
#include <string_view>
#include <utility>

#include "service/imap/command/commands.hpp"
#include "service/imap/session.hpp"

namespace keystonemail::service::imap {

Task<Reply> execute(Session& session, engine::Id) {
  // §4: no version, which would tell an attacker what to try.
  static constexpr std::array fields{std::pair<std::string_view, std::string_view>("name", "Keystone Mail")};
  session.out().id(fields);
  co_return ok("ID completed");
}

}  // namespace keystonemail::service::imap
