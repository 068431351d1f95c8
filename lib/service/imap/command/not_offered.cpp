// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// SORT, THREAD (RFC 5256) and COMPRESS (RFC 4978) are not offered: the engine refuses them, so these never run.
#include "service/imap/command/commands.hpp"

namespace keystonemail::service::imap {

Task<Reply> execute(Session&, engine::Sort) { co_return bad("Not offered"); }
Task<Reply> execute(Session&, engine::Thread) { co_return bad("Not offered"); }
Task<Reply> execute(Session&, engine::Compress) { co_return bad("Not offered"); }

}  // namespace keystonemail::service::imap
