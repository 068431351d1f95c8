// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// NOOP (RFC 9051 §6.1.2) and CHECK (RFC 3501 §6.4.1): what is new is told by the session, as after any command.
#include "service/imap/command/commands.hpp"

namespace keystonemail::service::imap {

Task<Reply> execute(Session&, engine::Noop) { co_return ok("NOOP completed"); }
Task<Reply> execute(Session&, engine::Check) { co_return ok("CHECK completed"); }

}  // namespace keystonemail::service::imap
