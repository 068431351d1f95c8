// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/delivery/kv_delivery.hpp"

#include <optional>
#include <vector>

#include "keystonemail/base/text.hpp"
#include "service/mailstore/append.hpp"
#include "service/mailstore/staged_message.hpp"
#include "service/mailstore/store_core.hpp"
#include "service/queue/entry_row.hpp"

namespace keystonemail::service {

namespace {

constexpr std::size_t shared_copies_min = 3;        // from so many copies on, the text is stored once
constexpr std::size_t shared_octets_min = 1'024;    // unless a reference to it would be as large

struct Plan {
  std::vector<AppendPlan> local;
  std::optional<QueuePlan> remote;
  std::optional<queue::Settlement> settlement;
  kv::Operation also;
};

Task<Result<void>> apply_delivery(kv::Transaction& t, StoreCore& core, const KvQueue& queue, Plan& plan) {
  for (std::size_t i = 0; i < plan.local.size(); ++i) {
    auto done = co_await apply_append(t, core, plan.local[i]);
    if (done) continue;
    const Error& error = done.error();  // says which of the recipients it was
    co_return fail(error.kind(), error.text(), "recipient " + std::to_string(i) + (error.detail().empty() ? "" : ": ") + error.detail());
  }
  if (plan.remote) KM_CO_CHECK(co_await queue.apply(t, *plan.remote));
  if (plan.settlement) KM_CO_CHECK(co_await queue.apply(t, *plan.settlement));
  if (plan.also) KM_CO_CHECK(co_await plan.also(t));
  co_return Result<void>();
}

struct Target {
  mailstore::MailboxId id = inbox_id;
  std::string path = "INBOX";
};

// The mailbox of a path; INBOX where there is none.
Task<Result<Target>> resolve(KvMailStore& mail, const delivery::LocalRecipient& recipient, Context context) {
  Target target;
  if (iequals(recipient.mailbox, "INBOX")) co_return target;
  auto found = co_await mail.find_mailbox(recipient.account, recipient.mailbox, context);
  if (!found && found.error().kind() == ErrorKind::not_found) co_return target;
  if (!found) co_return std::unexpected(found.error());
  target.id = found->id;
  target.path = std::move(found->path);
  co_return target;
}

}  // namespace

Result<std::unique_ptr<mailstore::MessageWriter>> KvDelivery::create_message() { return mail_.create_message(); }

Task<Result<delivery::Accepted>> KvDelivery::deliver(delivery::Submission submission, Context context) {
  StoreCore& core = mail_.core();
  auto* staged = dynamic_cast<KvStagedMessage*>(submission.message.get());
  if (!staged) co_return fail(ErrorKind::invalid, "message of another store");
  const std::size_t copies = submission.local.size() + (submission.remote ? 1 : 0);
  if (copies >= shared_copies_min && staged->octets() >= shared_octets_min) {
    KM_CO_CHECK(co_await staged->share_literal(context));
  }
  const WallTime now = context.executor->wall_now();
  Plan plan;
  plan.local.reserve(submission.local.size());
  for (const auto& recipient : submission.local) {
    if (recipient.prefix.size() > limits::prefix_octets_max ||
        recipient.keywords.numbers().size() > mailstore::limits::keywords_per_email_max) {
      co_return fail(ErrorKind::too_large, "header too large");
    }
    AppendPlan& local = plan.local.emplace_back();
    local.account = recipient.account;
    KM_CO_TRY(Target target, co_await resolve(mail_, recipient, context));
    local.mailbox = target.id;
    local.or_inbox = true;
    local.now = to_milliseconds(now);
    AppendItem item;
    Whereabouts where{.account = local.account, .mailbox = std::move(target.path), .received = local.now};
    KM_CO_TRY(item.email, co_await staged->prepare(recipient.prefix, std::move(where), context));
    item.system = recipient.keywords.system_bits();
    item.numbers = encode_numbers(recipient.keywords);
    item.received = local.now;
    local.items.push_back(std::move(item));
  }
  if (submission.remote) plan.remote = queue_.plan(*submission.remote, *staged, now);
  plan.settlement = std::move(submission.settlement);
  plan.also = std::move(submission.also);
  KM_CO_CHECK(co_await core.kv.transact([&](kv::Transaction& t) { return apply_delivery(t, core, queue_, plan); },
                                        core.adds(), context));
  delivery::Accepted accepted;
  for (const AppendPlan& local : plan.local) {
    accepted.local.push_back(local.appended.emails.front());
    core.notifier.notify(local.account, local.appended.modseq);
  }
  if (plan.remote) {
    accepted.queued = plan.remote->id;
    queue_.notify(plan.remote->entry);
  }
  co_return accepted;
}

Task<Result<bool>> KvDelivery::has_room(mailstore::AccountId account, std::uint64_t octets, Context context) {
  StoreCore& core = mail_.core();
  KM_CO_TRY(const auto snapshot, co_await core.kv.snapshot(context));
  KM_CO_TRY(const AccountRow row, co_await get_account(*snapshot, core, account));
  co_return check_quota(row, octets, 1).has_value();
}

}  // namespace keystonemail::service
