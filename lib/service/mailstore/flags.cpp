// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Changing flags. Keywords are the email's, so a change reaches all of its memberships; \Deleted is the membership's.
#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "service/mailstore/message_rows.hpp"
#include "service/mailstore/store_impl.hpp"

namespace keystonemail::service {

namespace {

constexpr std::size_t flags_step = 10'000;  // messages changed in one operation: some hundred pages

struct FlagsPlan {
  mailstore::AccountId account{};
  mailstore::MailboxId mailbox{};
  std::span<const mailstore::Uid> uids;
  const mailstore::FlagChange* change = nullptr;
  // Set anew by each run.
  mailstore::FlagsChanged result;
  bool any = false;
};

// The mailboxes that one operation changes, with what goes into their logs.
struct Touched {
  MailboxRow row;
  TurnedGroups changed;
};

FlagNames flags_turned(const MessageRecord& before, std::string_view numbers_before, const HeldMessage& after) {
  FlagNames turned;
  turned.system = static_cast<std::uint8_t>(before.system ^ after.record.system);
  turned.deleted = before.deleted != after.record.deleted;
  if (numbers_before == after.numbers) return turned;
  MessageRecord had, has;
  had.numbers = numbers_before;
  has.numbers = after.numbers;
  const mailstore::KeywordSet old_set = keywords_of(had), new_set = keywords_of(has);
  std::ranges::set_symmetric_difference(old_set.numbers(), new_set.numbers(), std::back_inserter(turned.numbers));
  return turned;
}

class FlagsOperation {
 public:
  FlagsOperation(kv::Transaction& t, const StoreCore& core, FlagsPlan& plan)
      : t_(t), core_(core), plan_(plan), change_(*plan.change) {}

  Task<Result<void>> run() {
    plan_.result = {};
    plan_.any = false;
    KM_CO_TRY(account_, co_await get_account(t_, core_, plan_.account));
    KM_CO_CHECK(co_await touch(plan_.mailbox));
    modseq_ = account_.modseq + 1;
    plan_.result.before = touched_.at(plan_.mailbox).row.highest_modseq;
    KM_CO_TRY(auto held, co_await read_messages(t_, core_, plan_.account, plan_.mailbox, plan_.uids));
    KM_CO_CHECK(co_await look_at_log(held));
    for (HeldMessage& message : held) KM_CO_CHECK(co_await change(std::move(message)));
    plan_.result.modseq = plan_.any ? modseq_ : account_.modseq;
    sort_unique(plan_.result.overtaken);
    if (plan_.any) KM_CO_CHECK(co_await finish());
    co_return Result<void>();
  }

 private:
  Task<Result<Touched*>> touch(mailstore::MailboxId mailbox) {
    auto at = touched_.find(mailbox);
    if (at == touched_.end()) {
      KM_CO_TRY(const MailboxRow row, co_await get_mailbox(t_, core_, plan_.account, mailbox));
      at = touched_.emplace(mailbox, Touched{row, {}}).first;
    }
    co_return &at->second;
  }

  // What the change makes of a message's keywords; false when nothing. `numbers` owns what the record shows.
  [[nodiscard]] bool compute(MessageRecord& record, std::string& numbers) const {
    const std::uint8_t bits = change_.keywords.system_bits();
    const MessageRecord before = record;
    using enum mailstore::FlagAction;
    record.system = static_cast<std::uint8_t>(change_.action == add      ? record.system | bits
                                              : change_.action == remove ? record.system & ~bits
                                                                         : bits);
    record.deleted = change_.action == replace ? change_.deleted
                     : change_.deleted         ? change_.action == add
                                               : record.deleted;
    bool same_numbers = true;
    if (!change_.keywords.numbers().empty() || (change_.action == replace && !numbers.empty())) {
      MessageRecord with = record;
      with.numbers = numbers;
      mailstore::KeywordSet set = keywords_of(with);
      if (change_.action == replace) set = change_.keywords;
      for (const auto number : change_.keywords.numbers()) {
        if (change_.action == remove) set.remove(number);
        else set.add(number);
      }
      std::string encoded = encode_numbers(set);
      same_numbers = encoded == numbers;
      numbers = std::move(encoded);
    }
    return !same_numbers || record.system != before.system || record.deleted != before.deleted;
  }

  // For is_refused(): of which messages any flag named was turned after unchanged_since.
  Task<Result<void>> look_at_log(const std::vector<HeldMessage>& held) {
    if (change_.unchanged_since.value_or(0) == 0 || change_.action == mailstore::FlagAction::replace) co_return Result<void>();
    const auto newer = [&](const HeldMessage& message) { return message.record.modseq > *change_.unchanged_since; };
    if (std::ranges::none_of(held, newer)) co_return Result<void>();
    const FlagNames named{change_.keywords.system_bits(), change_.deleted, change_.keywords.numbers()};
    const MailboxRow& row = touched_.at(plan_.mailbox).row;
    KM_CO_TRY(turned_, co_await read_turned(t_, core_, plan_.account, plan_.mailbox, row, *change_.unchanged_since, named, plan_.uids));
    co_return Result<void>();
  }

  // Whether any flag that the change names was modified after unchanged_since (RFC 7162 §3.1.3), as if each had its own modseq.
  [[nodiscard]] bool is_refused(const HeldMessage& message) const {
    if (!change_.unchanged_since || message.record.modseq <= *change_.unchanged_since) return false;
    if (change_.action == mailstore::FlagAction::replace) return true;
    const bool came_later = message.record.created > *change_.unchanged_since;  // with 0 each did
    if (!came_later) return !turned_.whole || std::ranges::binary_search(turned_.uids, message.uid);
    // What came with it is as old as the message. System flags always are there; keywords only where they are.
    if (change_.keywords.system_bits() != 0 || change_.deleted) return true;
    const mailstore::KeywordSet set = keywords_of(message.whole());
    const bool there = std::ranges::any_of(change_.keywords.numbers(), [&](auto number) { return set.has(number); });
    return there || (*change_.unchanged_since != 0 && (!turned_.whole || std::ranges::binary_search(turned_.uids, message.uid)));
  }

  Task<Result<void>> change(HeldMessage message) {
    if (message.record.listed) {  // a copy of it may have been changed by this very operation
      KM_CO_TRY(auto fresh, co_await read_message(t_, core_, plan_.account, plan_.mailbox, message.uid));
      if (!fresh) co_return damaged("message");
      message = *std::move(fresh);
    }
    MessageRecord& record = message.record;
    const bool ours = record.modseq == modseq_;
    if (!ours && is_refused(message)) {
      plan_.result.refused.push_back(message.uid);
      co_return Result<void>();
    }
    const MessageRecord before = record;
    const std::string numbers_before = message.numbers;
    if (compute(record, message.numbers)) {
      if (message.numbers.size() / 2 > mailstore::limits::keywords_per_email_max) {
        co_return fail(ErrorKind::too_large, "too many keywords");
      }
      record.modseq = modseq_;
      if (!ours && before.modseq > change_.seen) plan_.result.overtaken.push_back(message.uid);
      KM_CO_CHECK(co_await put(plan_.mailbox, message, before, numbers_before));
      const bool keywords = before.system != record.system || numbers_before != message.numbers;
      if (record.listed && keywords) KM_CO_CHECK(co_await spread(message));
    } else if (!ours) {
      co_return Result<void>();
    }
    plan_.result.changed.push_back(to_message_row(message.uid, message.whole()));
    co_return Result<void>();
  }

  Task<Result<void>> put(mailstore::MailboxId mailbox, const HeldMessage& message, const MessageRecord& before,
                         std::string_view numbers_before) {
    KM_CO_TRY(Touched* const touched, co_await touch(mailbox));
    uncount(touched->row, before);
    count(touched->row, message.record);
    touched->changed.add(message.uid, flags_turned(before, numbers_before, message));
    t_.put(core_.tables.message, Key(plan_.account, mailbox, message.uid), message.whole().encode());
    plan_.any = true;
    co_return Result<void>();
  }

  // Gives the other memberships of an email its keywords.
  Task<Result<void>> spread(const HeldMessage& source) {
    KM_CO_TRY(const auto memberships, co_await read_memberships(t_, core_, plan_.account, source.record.email, memberships_max + 1));
    for (const Membership& at : memberships) {
      if (at.mailbox == plan_.mailbox && at.uid == source.uid) continue;
      KM_CO_TRY(auto other, co_await read_message(t_, core_, plan_.account, at.mailbox, at.uid));
      if (!other) continue;  // verify() reports it
      const MessageRecord before = other->record;
      const std::string numbers_before = std::exchange(other->numbers, source.numbers);
      other->record.system = source.record.system;
      other->record.modseq = modseq_;
      KM_CO_CHECK(co_await put(at.mailbox, *other, before, numbers_before));
      if (at.mailbox != plan_.mailbox) continue;
      const bool asked_for = std::ranges::binary_search(plan_.uids, at.uid);
      if (!asked_for) plan_.result.along.push_back(to_message_row(at.uid, other->whole()));
      else if (before.modseq != modseq_ && before.modseq > change_.seen) plan_.result.overtaken.push_back(at.uid);
    }
    co_return Result<void>();
  }

  Task<Result<void>> finish() {
    account_.modseq = modseq_;
    put_account(t_, core_, plan_.account, account_);
    for (auto& [mailbox, touched] : touched_) {
      if (touched.changed.empty()) continue;
      touched.row.highest_modseq = modseq_;
      const LogEntry entry = std::move(touched.changed).take();
      KM_CO_CHECK(co_await add_log_entry(t_, core_, plan_.account, mailbox, touched.row, modseq_, entry));
      put_mailbox(t_, core_, plan_.account, mailbox, touched.row);
    }
    co_return Result<void>();
  }

  kv::Transaction& t_;
  const StoreCore& core_;
  FlagsPlan& plan_;
  const mailstore::FlagChange& change_;
  AccountRow account_;
  mailstore::ModSeq modseq_ = 0;
  std::map<mailstore::MailboxId, Touched> touched_;
  Turned turned_;
};

Task<Result<void>> apply_flags(kv::Transaction& t, const StoreCore& core, FlagsPlan& plan) {
  FlagsOperation operation(t, core, plan);
  co_return co_await operation.run();
}

}  // namespace

StoreImpl::Answer<mailstore::FlagsChanged> StoreImpl::change_flags(AccountId account, MailboxId mailbox,
                                                                   std::span<const Uid> uids,
                                                                   mailstore::FlagChange change, Context context) {
  Uids sorted(uids.begin(), uids.end());
  sort_unique(sorted);
  mailstore::FlagsChanged all;
  ModSeq reached = 0;  // the mailbox's, after the last step
  std::size_t at = 0;
  do {
    FlagsPlan plan{.account = account, .mailbox = mailbox, .change = &change};
    plan.uids = std::span(sorted).subspan(at, std::min(flags_step, sorted.size() - at));
    KM_CO_CHECK(co_await core_.kv.transact([&](kv::Transaction& t) { return apply_flags(t, core_, plan); },
                                           StoreCore::frees(), context));
    if (plan.any) core_.notifier.notify(account, plan.result.modseq);
    if (plan.result.before != std::exchange(reached, plan.any ? plan.result.modseq : plan.result.before)) all.before = UINT64_MAX;
    all.modseq = plan.result.modseq;
    if (at == 0) {
      all = std::move(plan.result);
    } else {
      std::ranges::move(plan.result.changed, std::back_inserter(all.changed));
      std::ranges::move(plan.result.along, std::back_inserter(all.along));
      all.refused.insert(all.refused.end(), plan.result.refused.begin(), plan.result.refused.end());
      all.overtaken.insert(all.overtaken.end(), plan.result.overtaken.begin(), plan.result.overtaken.end());
    }
    at += flags_step;
  } while (at < sorted.size());
  co_return all;
}

}  // namespace keystonemail::service
