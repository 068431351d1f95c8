// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// SUBSCRIBE and UNSUBSCRIBE (RFC 9051 §6.3.7, §6.3.8).
#include "service/imap/command/commands.hpp"
#include "service/imap/session.hpp"

namespace keystonemail::service::imap {

namespace {

Task<Reply> set_subscribed(Session& session, std::string path, bool subscribed) {
  const auto mailbox = co_await session.store().find_mailbox(session.account(), path, session.working());
  if (!mailbox && mailbox.error().kind() == ErrorKind::not_found && !subscribed) {  // a mailbox that is no more (RFC 3501 §6.3.9)
    const auto forgotten = co_await session.store().forget_subscription(session.account(), path, session.working());
    co_return forgotten ? ok("UNSUBSCRIBE completed") : reply_for(mailbox.error());
  }
  if (!mailbox) co_return reply_for(mailbox.error());
  const auto done = co_await session.store().set_subscribed(session.account(), mailbox->id, subscribed, session.working());
  if (!done) co_return reply_for(done.error());
  co_return ok(subscribed ? "SUBSCRIBE completed" : "UNSUBSCRIBE completed");
}

}  // namespace

Task<Reply> execute(Session& session, engine::Subscribe command) {
  return set_subscribed(session, std::move(command.mailbox), true);
}

Task<Reply> execute(Session& session, engine::Unsubscribe command) {
  return set_subscribed(session, std::move(command.mailbox), false);
}

}  // namespace keystonemail::service::imap
