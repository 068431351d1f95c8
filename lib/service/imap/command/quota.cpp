// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// GETQUOTA and GETQUOTAROOT (RFC 9208 §4.1): an account with limits has one root, ""; one without has none, as a root has at least
// one resource (§7).
#include <vector>

#include "service/imap/command/commands.hpp"
#include "service/imap/session.hpp"

namespace keystonemail::service::imap {

namespace {

constexpr std::uint64_t kibibyte = 1024;  // RFC 9208 §5.1: STORAGE is in units of 1024 octets

std::vector<engine::QuotaResource> resources_of(const mailstore::Quota& quota) {
  std::vector<engine::QuotaResource> resources;
  if (quota.octets_limit != 0) {
    resources.push_back({"STORAGE", (quota.octets_used + kibibyte - 1) / kibibyte, quota.octets_limit / kibibyte});
  }
  if (quota.messages_limit != 0) resources.push_back({"MESSAGE", quota.messages_used, quota.messages_limit});
  return resources;
}

}  // namespace

Task<Reply> execute(Session& session, engine::GetQuota command) {
  const auto info = co_await session.store().account(session.account(), session.working());
  if (!info) co_return reply_for(info.error());
  const auto resources = resources_of(info->quota);
  if (!command.root.empty() || resources.empty()) co_return no(engine::Code::nonexistent, "No such quota root");
  session.out().quota("", resources);
  co_return ok("GETQUOTA completed");
}

Task<Reply> execute(Session& session, engine::GetQuotaRoot command) {
  const auto mailbox = co_await session.store().find_mailbox(session.account(), command.mailbox, session.working());
  if (!mailbox) co_return reply_for(mailbox.error());
  const auto info = co_await session.store().account(session.account(), session.working());
  if (!info) co_return reply_for(info.error());
  const auto resources = resources_of(info->quota);
  static constexpr std::string_view root;
  session.out().quota_root(mailbox->path, {&root, resources.empty() ? std::size_t{0} : std::size_t{1}});
  if (!resources.empty()) session.out().quota("", resources);
  co_return ok("GETQUOTAROOT completed");
}

}  // namespace keystonemail::service::imap
