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

// One submission, ready to be written.
struct Plan {
  std::vector<AppendPlan> local;
  std::optional<QueuePlan> remote;
  std::optional<queue::Settlement> settlement;
  kv::Operation also, condition;
  bool is_left_out = false;  // by its condition
  queue::History history;  // on its own; that of `remote` is there
  WallTime now{};
};

Task<Result<void>> apply_one(kv::Transaction& t, StoreCore& core, const KvQueue& queue, Plan& plan) {
  for (std::size_t i = 0; i < plan.local.size(); ++i) {
    auto done = co_await apply_append(t, core, plan.local[i]);
    if (done) continue;
    const Error& error = done.error();  // says which of the recipients it was
    co_return fail(error.kind(), error.text(), "recipient " + std::to_string(i) + (error.detail().empty() ? "" : ": ") + error.detail());
  }
  if (plan.remote) KM_CO_CHECK(co_await queue.apply(t, *plan.remote));
  if (!plan.history.steps.empty()) KM_CO_CHECK(co_await queue.apply(t, plan.history, plan.now));
  if (plan.settlement) KM_CO_CHECK(co_await queue.apply(t, *plan.settlement));
  if (plan.also) KM_CO_CHECK(co_await plan.also(t));
  co_return Result<void>();
}

Task<Result<void>> apply_delivery(kv::Transaction& t, StoreCore& core, const KvQueue& queue, std::vector<Plan>& plans) {
  for (Plan& plan : plans) {
    plan.is_left_out = false;
    if (plan.condition) {
      auto holds = co_await plan.condition(t);
      plan.is_left_out = !holds && holds.error().kind() == ErrorKind::conflict;
      if (plan.is_left_out) continue;
      if (!holds) co_return holds;
    }
    KM_CO_CHECK(co_await apply_one(t, core, queue, plan));
  }
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

Task<Result<Plan>> plan_one(KvMailStore& mail, const KvQueue& queue, delivery::Submission submission, WallTime now, Context context) {
  auto* staged = dynamic_cast<KvStagedMessage*>(submission.message.get());
  if (!staged) co_return fail(ErrorKind::invalid, "message of another store");
  const std::size_t copies = submission.local.size() + (submission.remote ? 1 : 0);
  if (copies >= shared_copies_min && staged->octets() >= shared_octets_min) KM_CO_CHECK(co_await staged->share_literal(context));
  Plan plan;
  plan.now = now;
  plan.local.reserve(submission.local.size());
  for (const auto& recipient : submission.local) {
    if (recipient.prefix.size() > limits::prefix_octets_max ||
        recipient.keywords.numbers().size() > mailstore::limits::keywords_per_email_max) {
      co_return fail(ErrorKind::too_large, "header too large");
    }
    AppendPlan& local = plan.local.emplace_back();
    local.account = recipient.account;
    KM_CO_TRY(Target target, co_await resolve(mail, recipient, context));
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
  if (submission.remote) {
    plan.remote = queue.plan(*submission.remote, *staged, now);
    plan.remote->history = std::move(submission.history);
  } else {
    plan.history = std::move(submission.history);
  }
  plan.settlement = std::move(submission.settlement);
  plan.also = std::move(submission.also);
  plan.condition = std::move(submission.condition);
  co_return plan;
}

}  // namespace

Result<std::unique_ptr<mailstore::MessageWriter>> KvDelivery::create_message() { return mail_.create_message(); }

Task<Result<delivery::Accepted>> KvDelivery::deliver(delivery::Submission submission, Context context) {
  StoreCore& core = mail_.core();
  const WallTime now = context.executor->wall_now();
  std::vector<delivery::Submission> together = std::move(submission.together);
  std::vector<Plan> plans;
  plans.reserve(together.size() + 1);
  KM_CO_TRY(Plan first, co_await plan_one(mail_, queue_, std::move(submission), now, context));
  plans.push_back(std::move(first));
  for (auto& other : together) {
    KM_CO_TRY(Plan plan, co_await plan_one(mail_, queue_, std::move(other), now, context));
    plans.push_back(std::move(plan));
  }
  KM_CO_CHECK(co_await core.kv.transact([&](kv::Transaction& t) { return apply_delivery(t, core, queue_, plans); },
                                        core.adds(), context));
  delivery::Accepted accepted;
  for (const Plan& plan : plans) {
    const bool is_first = &plan == &plans.front();
    if (plan.is_left_out) {
      accepted.left_out.push_back(accepted.together.size());
      accepted.together.emplace_back();
      continue;
    }
    for (const AppendPlan& local : plan.local) {
      if (is_first) accepted.local.push_back(local.appended.emails.front());
      core.notifier.notify(local.account, local.appended.modseq);
    }
    const auto queued = plan.remote ? std::optional(plan.remote->id) : std::nullopt;
    if (plan.remote) queue_.notify(plan.remote->entry);
    if (is_first) accepted.queued = queued;
    else accepted.together.push_back(queued);
  }
  co_return accepted;
}

Task<Result<void>> KvDelivery::note(queue::History history, Context context) {
  const Instant now = context.executor->now();
  {
    const std::scoped_lock lock(mutex_);
    const auto gained = (now - noted_since_) / limits::note_interval;
    noted_ -= std::min(noted_, static_cast<std::uint64_t>(gained));
    noted_since_ = noted_ == 0 ? now : noted_since_ + gained * limits::note_interval;
    if (noted_ >= limits::notes_at_once_max) co_return Result<void>();
    ++noted_;
  }
  co_return co_await queue_.note(std::move(history), std::move(context));
}

Task<Result<bool>> KvDelivery::has_room(mailstore::AccountId account, std::uint64_t octets, Context context) {
  StoreCore& core = mail_.core();
  KM_CO_TRY(const auto snapshot, co_await core.kv.snapshot(context));
  KM_CO_TRY(const AccountRow row, co_await get_account(*snapshot, core, account));
  co_return check_quota(row, octets, 1).has_value();
}

}  // namespace keystonemail::service
