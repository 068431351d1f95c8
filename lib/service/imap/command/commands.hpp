// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The commands, one file each: what they do to the session and the store, and how they end. Untagged responses go to
// session.out(); changes by others are told, and the tagged response is written, by the session afterwards.
#pragma once

#include "keystonemail/base/task.hpp"
#include "service/imap/engine.hpp"
#include "service/imap/reply.hpp"

namespace keystonemail::service::imap {

class Session;

[[nodiscard]] Task<Reply> execute(Session& session, engine::Noop command);
[[nodiscard]] Task<Reply> execute(Session& session, engine::Check command);
[[nodiscard]] Task<Reply> execute(Session& session, engine::Namespace command);
[[nodiscard]] Task<Reply> execute(Session& session, engine::Close command);
[[nodiscard]] Task<Reply> execute(Session& session, engine::Unselect command);
[[nodiscard]] Task<Reply> execute(Session& session, engine::Login command);
[[nodiscard]] Task<Reply> execute(Session& session, engine::Id command);
[[nodiscard]] Task<Reply> execute(Session& session, engine::Enable command);
[[nodiscard]] Task<Reply> execute(Session& session, engine::Select command);
[[nodiscard]] Task<Reply> execute(Session& session, engine::Create command);
[[nodiscard]] Task<Reply> execute(Session& session, engine::Delete command);
[[nodiscard]] Task<Reply> execute(Session& session, engine::Rename command);
[[nodiscard]] Task<Reply> execute(Session& session, engine::Subscribe command);
[[nodiscard]] Task<Reply> execute(Session& session, engine::Unsubscribe command);
[[nodiscard]] Task<Reply> execute(Session& session, engine::Status command);
[[nodiscard]] Task<Reply> execute(Session& session, engine::List command);
[[nodiscard]] Task<Reply> execute(Session& session, engine::Fetch command);
[[nodiscard]] Task<Reply> execute(Session& session, engine::Store command);
[[nodiscard]] Task<Reply> execute(Session& session, engine::Copy command);
[[nodiscard]] Task<Reply> execute(Session& session, engine::Move command);
[[nodiscard]] Task<Reply> execute(Session& session, engine::Expunge command);
[[nodiscard]] Task<Reply> execute(Session& session, engine::Search command);
[[nodiscard]] Task<Reply> execute(Session& session, engine::Sort command);
[[nodiscard]] Task<Reply> execute(Session& session, engine::Thread command);
[[nodiscard]] Task<Reply> execute(Session& session, engine::GetQuota command);
[[nodiscard]] Task<Reply> execute(Session& session, engine::GetQuotaRoot command);
[[nodiscard]] Task<Reply> execute(Session& session, engine::Compress command);

}  // namespace keystonemail::service::imap
