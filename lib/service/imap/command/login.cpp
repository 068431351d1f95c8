// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// LOGIN (RFC 9051 §6.2.3).
#include <utility>

#include "service/imap/command/commands.hpp"
#include "service/imap/session.hpp"

namespace keystonemail::service::imap {

Task<Reply> execute(Session& session, engine::Login command) { co_return co_await session.login(std::move(command)); }

}  // namespace keystonemail::service::imap
