// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// GETQUOTA and GETQUOTAROOT (RFC 9208 §4.1): an account has one root, "".
#include <vector>

#include "service/imap/command/commands.hpp"
#include "service/imap/session.hpp"

namespace keystonemail::service::imap {

namespace {

constexpr std::uint64_t kibibyte = 1024;  // RFC 9208 §5.1: STORAGE is in units of 1024 octets

Task<Reply> write_quota(Session& session, std::string_view done) {
  const auto info = co_await session.store().account(session.account(), session.working());
  if (!info) co_return reply_for(info.error());
  const mailstore::Quota& quota = info->quota;
  std::vector<engine::QuotaResource> resources;
  if (quota.octets_limit != 0) {
    resources.push_back({"STORAGE", (quota.octets_used + kibibyte - 1) / kibibyte, quota.octets_limit / kibibyte});
  }
  if (quota.messages_limit != 0) resources.push_back({"MESSAGE", quota.messages_used, quota.messages_limit});
  session.out().quota("", resources);
  co_return ok(done);
}

}  // namespace

Task<Reply> execute(Session& session, engine::GetQuota command) {
  if (!command.root.empty()) co_return no(engine::Code::nonexistent, "No such quota root");
  co_return co_await write_quota(session, "GETQUOTA completed");
}

Task<Reply> execute(Session& session, engine::GetQuotaRoot command) {
  const auto mailbox = co_await session.store().find_mailbox(session.account(), command.mailbox, session.working());
  if (!mailbox) co_return reply_for(mailbox.error());
  static constexpr std::string_view root;
  session.out().quota_root(mailbox->path, {&root, 1});
  co_return co_await write_quota(session, "GETQUOTAROOT completed");
}

}  // namespace keystonemail::service::imap
