// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// ENABLE (RFC 5161, RFC 9051 §6.3.1): the engine has enabled.
#include "service/imap/command/commands.hpp"

namespace keystonemail::service::imap {

Task<Reply> execute(Session&, engine::Enable) { co_return ok("ENABLE completed"); }

}  // namespace keystonemail::service::imap
