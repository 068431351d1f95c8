// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// ENABLE (RFC 5161, RFC 9051 §6.3.1): the engine has enabled; what is left is to tell where CONDSTORE begins.
#include "service/imap/command/commands.hpp"
#include "service/imap/session.hpp"

namespace keystonemail::service::imap {

Task<Reply> execute(Session& session, engine::Enable command) {
  if (command.condstore_began && session.view() != nullptr) {  // RFC 7162 §3.1
    session.out().status(engine::StatusKind::ok, engine::ResponseCode::highest_modseq(session.view()->changes_told), "Highest");
  }
  co_return ok("ENABLE completed");
}

}  // namespace keystonemail::service::imap
