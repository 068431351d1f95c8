// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <algorithm>
#include <utility>

#include "keystonemail/base/text.hpp"
#include "service/mailstore/kept_names.hpp"
#include "service/mailstore/mailbox_tree.hpp"
#include "service/mailstore/store_impl.hpp"

namespace keystonemail::service {

namespace {

constexpr std::size_t kept_paths_min = 32;            // fewer are read as quickly as found
constexpr std::size_t rename_move_messages = 5'000;  // moved in one step when INBOX is renamed

std::string join(std::span<const std::string> levels) {
  std::string path;
  for (const auto& level : levels) {
    if (!path.empty()) path.push_back(mailstore::limits::hierarchy_separator);
    path += level;
  }
  return path;
}

struct TreePlan {
  mailstore::AccountId account{};
  mailstore::MailboxId mailbox{};
  std::vector<std::string> levels;
  mailstore::Role role = mailstore::Role::none;
  bool subscribed = false;
  std::int64_t now = 0;
  // Set by the operation.
  mailstore::ModSeq modseq = 0;
  mailstore::Mailbox made;
};

Task<Result<void>> apply_create_mailbox(kv::Transaction& t, const StoreCore& core, TreePlan& plan) {
  KM_CO_TRY(AccountRow account, co_await get_account(t, core, plan.account));
  MailboxRequest request{plan.levels, plan.role, plan.subscribed, plan.now};
  KM_CO_TRY(plan.made, co_await make_mailbox(t, core, plan.account, account, request));
  plan.modseq = account.modseq;
  co_return Result<void>();
}

std::size_t depth_of(std::string_view path) {
  return static_cast<std::size_t>(std::ranges::count(path, mailstore::limits::hierarchy_separator)) + 1;
}

Result<void> check_rename(const MailboxTree& tree, const mailstore::Mailbox& mailbox, const TreePlan& plan) {
  const std::string path = join(plan.levels);
  if (tree.find_path(path)) return fail(ErrorKind::conflict, "mailbox exists");
  const std::string below = mailbox.path + mailstore::limits::hierarchy_separator;
  if (path.starts_with(below)) return fail(ErrorKind::invalid, "a mailbox cannot go below itself");
  for (const auto& m : tree.mailboxes) {
    if (!m.path.starts_with(below)) continue;
    if (depth_of(m.path) - depth_of(mailbox.path) + plan.levels.size() > mailstore::limits::mailbox_depth_max) {
      return fail(ErrorKind::too_large, "mailbox too deep");
    }
  }
  return {};
}

// One of those that go along when `renamed` gets the name of the plan. Its own subscription goes along with it, as RFC 8621 §2
// and users have it; the name it had stays subscribed to, as RFC 3501 §6.3.9 has it, but for the first `surplus` of
// them. Returns whether it is subscribed to now.
bool rename_subscription(kv::Transaction& t, KeptNames& kept, const mailstore::Mailbox& mailbox, const mailstore::Mailbox& renamed,
                         const TreePlan& plan, std::size_t& surplus) {
  const bool taken = kept.take(t, join(plan.levels) + mailbox.path.substr(renamed.path.size()));
  if (mailbox.subscribed && surplus == 0) kept.keep(t, mailbox.path, plan.modseq, mailbox.id);
  if (mailbox.subscribed && surplus > 0) --surplus;
  return taken || mailbox.subscribed;
}

Task<Result<void>> apply_rename(kv::Transaction& t, const StoreCore& core, TreePlan& plan) {
  KM_CO_TRY(AccountRow account, co_await get_account(t, core, plan.account));
  KM_CO_TRY(const auto tree, co_await read_tree(t, core, plan.account));
  const auto* mailbox = tree.find(plan.mailbox);
  if (!mailbox) co_return fail(ErrorKind::not_found, "no such mailbox");
  KM_CO_CHECK(check_rename(tree, *mailbox, plan));
  MailboxObject object = to_object(*mailbox);
  object.parent = 0;
  if (plan.levels.size() > 1) {
    const auto above = std::span(plan.levels).first(plan.levels.size() - 1);
    if (const auto* parent = tree.find_path(join(above))) {
      object.parent = static_cast<std::uint32_t>(parent->id);
    } else {
      MailboxRequest request{above, mailstore::Role::none, mailbox->subscribed, plan.now};
      KM_CO_TRY(const auto made, co_await make_mailbox(t, core, plan.account, account, request));
      object.parent = static_cast<std::uint32_t>(made.id);
    }
  }
  object.name = plan.levels.back();
  object.modseq = account.tree_modseq = plan.modseq = ++account.modseq;
  KM_CO_TRY(KeptNames kept, co_await KeptNames::read(t, core, plan.account));
  const std::string below = mailbox->path + mailstore::limits::hierarchy_separator;
  const auto leaves_name = [&](const mailstore::Mailbox& m) { return m.subscribed && (m.id == plan.mailbox || m.path.starts_with(below)); };
  const auto names = static_cast<std::size_t>(std::ranges::count_if(tree.mailboxes, leaves_name));
  std::size_t surplus = names - std::min(names, mailstore::limits::kept_subscriptions_max);  // these would be forgotten again at once
  object.subscribed = rename_subscription(t, kept, *mailbox, *mailbox, plan, surplus);
  put_object(t, core, plan.account, plan.mailbox, object);
  for (const auto& m : tree.mailboxes) {
    if (!m.path.starts_with(below) || rename_subscription(t, kept, m, *mailbox, plan, surplus) == m.subscribed) continue;
    MailboxObject child = to_object(m);
    child.subscribed = true;
    child.modseq = plan.modseq;
    put_object(t, core, plan.account, m.id, child);
  }
  put_account(t, core, plan.account, account);
  co_return Result<void>();
}

Task<Result<void>> apply_forget(kv::Transaction& t, const StoreCore& core, TreePlan& plan) {
  KM_CO_TRY(AccountRow account, co_await get_account(t, core, plan.account));
  KM_CO_TRY(KeptNames kept, co_await KeptNames::read(t, core, plan.account));
  if (!kept.take(t, join(plan.levels))) co_return fail(ErrorKind::not_found, "no such subscription");
  account.tree_modseq = plan.modseq = ++account.modseq;
  put_account(t, core, plan.account, account);
  co_return Result<void>();
}

Task<Result<void>> apply_subscribed(kv::Transaction& t, const StoreCore& core, TreePlan& plan) {
  KM_CO_TRY(AccountRow account, co_await get_account(t, core, plan.account));
  KM_CO_TRY(const auto value, co_await t.get(core.tables.mailbox, Key(plan.account, plan.mailbox)));
  if (!value) co_return fail(ErrorKind::not_found, "no such mailbox");
  auto object = MailboxObject::read(*value);
  if (!object) co_return damaged("mailbox");
  plan.modseq = account.modseq;
  if (object->subscribed == plan.subscribed) co_return Result<void>();
  object->subscribed = plan.subscribed;
  object->modseq = account.tree_modseq = plan.modseq = ++account.modseq;
  put_object(t, core, plan.account, plan.mailbox, *object);
  put_account(t, core, plan.account, account);
  co_return Result<void>();
}

}  // namespace

StoreImpl::Answer<std::vector<mailstore::Mailbox>> StoreImpl::mailboxes(AccountId account, Context context) {
  KM_CO_TRY(const auto snapshot, co_await core_.kv.snapshot(context));
  KM_CO_TRY(auto tree, co_await read_tree(*snapshot, core_, account));
  co_return std::move(tree.mailboxes);
}

StoreImpl::Answer<mailstore::Mailbox> StoreImpl::mailbox(AccountId account, MailboxId mailbox, Context context) {
  KM_CO_TRY(const auto snapshot, co_await core_.kv.snapshot(context));
  KM_CO_TRY(const MailboxRow row, co_await get_mailbox(*snapshot, core_, account, mailbox));
  mailstore::Mailbox answer;
  std::string path;
  MailboxId at = mailbox;
  for (std::size_t depth = 0; depth < mailstore::limits::mailbox_depth_max; ++depth) {
    KM_CO_TRY(const auto value, co_await snapshot->get(core_.tables.mailbox, Key(account, at)));
    const auto object = value ? MailboxObject::read(*value) : std::nullopt;
    if (!object) co_return damaged("mailbox");
    if (depth == 0) answer = to_mailbox(mailbox, *object, row);
    path = depth == 0 ? object->name : object->name + mailstore::limits::hierarchy_separator + path;
    if (object->parent == 0) break;
    at = MailboxId{object->parent};
  }
  answer.path = std::move(path);
  co_return answer;
}

StoreImpl::Answer<mailstore::Mailbox> StoreImpl::find_mailbox(AccountId account, std::string_view path, Context context) {
  const auto levels = split_path(path);
  if (levels && levels->size() == 1 && levels->front() == "INBOX") co_return co_await mailbox(account, inbox_id, context);
  KM_CO_TRY(const auto known, co_await paths_of(account, context));
  const std::string wanted = levels ? join(*levels) : std::string();
  const auto found = std::ranges::lower_bound(known->paths, wanted, {}, &std::pair<std::string, MailboxId>::first);
  if (!levels || found == known->paths.end() || found->first != wanted) co_return fail(ErrorKind::not_found, "no such mailbox");
  co_return co_await mailbox(account, found->second, context);
}

// Made anew when the tree has changed; of thousands of mailboxes that takes milliseconds.
StoreImpl::Answer<std::shared_ptr<const MailboxPaths>> StoreImpl::paths_of(AccountId account, Context context) {
  KM_CO_TRY(const auto snapshot, co_await core_.kv.snapshot(context));
  KM_CO_TRY(const AccountRow row, co_await get_account(*snapshot, core_, account));
  auto kept = core_.paths.find(account, MailboxId{});
  if (kept && kept->modseq == row.tree_modseq) co_return kept;
  KM_CO_TRY(auto made, co_await read_paths(*snapshot, core_, account));
  if (made->paths.size() >= kept_paths_min) core_.paths.keep(account, MailboxId{}, made);
  co_return made;
}

StoreImpl::Answer<mailstore::Mailbox> StoreImpl::create_mailbox(AccountId account, mailstore::NewMailbox request,
                                                                Context context) {
  TreePlan plan{.account = account, .role = request.role, .subscribed = request.subscribed};
  KM_CO_TRY(plan.levels, split_path(request.path));
  if (request.role == mailstore::Role::inbox) co_return fail(ErrorKind::conflict, "there is an inbox");
  plan.now = to_milliseconds(context.executor->wall_now());
  KM_CO_CHECK(co_await core_.kv.transact([&](kv::Transaction& t) { return apply_create_mailbox(t, core_, plan); },
                                         core_.adds(), context));
  core_.notifier.notify(account, plan.modseq);
  co_return std::move(plan.made);
}

StoreImpl::Answer<void> StoreImpl::rename_mailbox(AccountId account, MailboxId mailbox, std::string_view new_path,
                                                  Context context) {
  if (mailbox == inbox_id) co_return co_await empty_inbox_into(account, new_path, context);
  TreePlan plan{.account = account, .mailbox = mailbox};
  KM_CO_TRY(plan.levels, split_path(new_path));
  plan.now = to_milliseconds(context.executor->wall_now());
  KM_CO_CHECK(co_await core_.kv.transact([&](kv::Transaction& t) { return apply_rename(t, core_, plan); }, core_.adds(),
                                         context));
  core_.notifier.notify(account, plan.modseq);
  co_return Result<void>();
}

// RFC 9051 §6.3.6: INBOX stays, with its children; its messages go into the new mailbox. In steps, each of them whole.
StoreImpl::Answer<void> StoreImpl::empty_inbox_into(AccountId account, std::string_view path, Context context) {
  mailstore::NewMailbox request;
  request.path = path;
  KM_CO_TRY(const auto target, co_await create_mailbox(account, request, context));
  KM_CO_TRY(const auto rows, co_await messages(account, inbox_id, {}, 0, context));
  std::vector<Uid> uids;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    uids.push_back(rows[i].uid);
    if (uids.size() < rename_move_messages && i + 1 < rows.size()) continue;
    KM_CO_CHECK(co_await move(account, inbox_id, uids, target.id, context));
    uids.clear();
  }
  co_return Result<void>();
}

StoreImpl::Answer<void> StoreImpl::set_subscribed(AccountId account, MailboxId mailbox, bool subscribed, Context context) {
  TreePlan plan{.account = account, .mailbox = mailbox, .subscribed = subscribed};
  KM_CO_CHECK(co_await core_.kv.transact([&](kv::Transaction& t) { return apply_subscribed(t, core_, plan); },
                                         core_.frees(), context));
  core_.notifier.notify(account, plan.modseq);
  co_return Result<void>();
}

StoreImpl::Answer<std::vector<std::string>> StoreImpl::kept_subscriptions(AccountId account, Context context) {
  KM_CO_TRY(const auto snapshot, co_await core_.kv.snapshot(context));
  KM_CO_CHECK(co_await get_account(*snapshot, core_, account));
  KM_CO_TRY(const KeptNames kept, co_await KeptNames::read(*snapshot, core_, account));
  co_return kept.paths();
}

StoreImpl::Answer<void> StoreImpl::forget_subscription(AccountId account, std::string_view path, Context context) {
  auto levels = split_path(path);
  if (!levels) co_return fail(ErrorKind::not_found, "no such subscription");
  TreePlan plan{.account = account, .levels = *std::move(levels)};
  KM_CO_CHECK(co_await core_.kv.transact([&](kv::Transaction& t) { return apply_forget(t, core_, plan); }, core_.frees(),
                                         context));
  core_.notifier.notify(account, plan.modseq);
  co_return Result<void>();
}

}  // namespace keystonemail::service
