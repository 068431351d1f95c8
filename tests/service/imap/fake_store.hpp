// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// FakeStore: the mailstore port in a few maps, so that a test of the service depends on no other module's store.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "keystonemail/base/text.hpp"
#include "keystonemail/mailstore/mailstore.hpp"

namespace keystonemail::service::imap::testing {

using namespace keystonemail::mailstore;

// Makes the encoded summary of a message.
using Summarise = std::function<std::string(std::string_view message)>;

class FakeStore final : public MailStore {
 public:
  explicit FakeStore(Clock& clock, Summarise summarise) : clock_(clock), summarise_(std::move(summarise)) {}

  Task<Result<void>> create_account(AccountId account, Quota limits, Context) override {
    if (!accounts_.emplace(account, Account{}).second) co_return fail(ErrorKind::conflict);
    Account& a = accounts_[account];
    a.quota = limits;
    add(a, "INBOX", Role::inbox, true);
    for (auto [name, role] : {std::pair("Drafts", Role::drafts), {"Sent", Role::sent}, {"Junk", Role::junk},
                              {"Trash", Role::trash}, {"Archive", Role::archive}})
      add(a, name, role, true);
    co_return {};
  }
  Task<Result<void>> remove_account(AccountId account, Context) override {
    accounts_.erase(account);
    co_return {};
  }
  Task<Result<AccountInfo>> account(AccountId account, Context) override {
    Account& a = accounts_.at(account);
    co_return AccountInfo{a.modseq, a.quota};
  }
  Task<Result<void>> set_quota(AccountId account, Quota limits, Context) override {
    Account& a = accounts_.at(account);
    a.quota.octets_limit = limits.octets_limit;
    a.quota.messages_limit = limits.messages_limit;
    co_return {};
  }

  Task<Result<std::vector<Mailbox>>> mailboxes(AccountId account, Context) override {
    ++calls;
    std::vector<Mailbox> all;
    for (auto& [id, box] : accounts_.at(account).boxes) all.push_back(described(box));
    std::ranges::sort(all, {}, &Mailbox::path);
    co_return all;
  }
  Task<Result<Mailbox>> mailbox(AccountId account, MailboxId mailbox, Context) override {
    ++calls;
    Box* box = find(account, mailbox);
    if (box == nullptr) co_return fail(ErrorKind::not_found);
    co_return described(*box);
  }
  Task<Result<Mailbox>> find_mailbox(AccountId account, std::string_view path, Context) override {
    ++calls;
    for (auto& [id, box] : accounts_.at(account).boxes)
      if (box.info.path == path || (box.info.role == Role::inbox && iequals(path, "inbox"))) co_return described(box);
    co_return fail(ErrorKind::not_found);
  }
  Task<Result<Mailbox>> create_mailbox(AccountId account, NewMailbox request, Context context) override {
    if ((co_await find_mailbox(account, request.path, context)).has_value()) co_return fail(ErrorKind::conflict);
    if (request.path.empty() || request.path.size() > 255) co_return fail(ErrorKind::invalid);
    Account& a = accounts_.at(account);
    for (auto& [id, box] : a.boxes)
      if (request.role != Role::none && box.info.role == request.role) co_return fail(ErrorKind::conflict);
    for (std::size_t at = request.path.find('/'); at != std::string::npos; at = request.path.find('/', at + 1)) {
      const std::string parent = request.path.substr(0, at);
      if (!(co_await find_mailbox(account, parent, context)).has_value()) add(a, parent, Role::none, request.subscribed);
    }
    co_return described(add(a, request.path, request.role, request.subscribed));
  }
  Task<Result<void>> rename_mailbox(AccountId account, MailboxId mailbox, std::string_view new_path, Context context) override {
    if ((co_await find_mailbox(account, new_path, context)).has_value()) co_return fail(ErrorKind::conflict);
    Account& a = accounts_.at(account);
    Box* box = find(account, mailbox);
    if (box == nullptr) co_return fail(ErrorKind::not_found);
    if (box->info.role == Role::inbox) {
      Box& made = add(a, std::string(new_path), Role::none, true);
      std::vector<Uid> uids;
      for (auto& [uid, row] : box->rows) uids.push_back(uid);
      const MailboxId to = made.info.id;
      if (auto moved = transfer(account, mailbox, uids, to, true); !moved) co_return std::unexpected(moved.error());
      co_return {};
    }
    const std::string old = box->info.path;
    for (auto& [id, other] : a.boxes) {
      if (other.info.path != old && !other.info.path.starts_with(old + "/")) continue;
      if (other.info.subscribed) a.kept.insert(other.info.path);
      other.info.path = std::string(new_path) + other.info.path.substr(old.size());
      other.info.name = other.info.path.substr(other.info.path.rfind('/') + 1);
      other.info.subscribed |= a.kept.erase(other.info.path) != 0;
    }
    bump(account);
    co_return {};
  }
  Task<Result<void>> remove_mailbox(AccountId account, MailboxId mailbox, Context) override {
    Account& a = accounts_.at(account);
    Box* box = find(account, mailbox);
    if (box == nullptr) co_return fail(ErrorKind::not_found);
    if (box->info.role == Role::inbox) co_return fail(ErrorKind::denied);
    for (auto& [id, other] : a.boxes)
      if (other.info.path.starts_with(box->info.path + "/")) co_return fail(ErrorKind::conflict);
    if (box->info.subscribed) a.kept.insert(box->info.path);
    a.boxes.erase(mailbox);
    bump(account);
    co_return {};
  }
  Task<Result<void>> set_subscribed(AccountId account, MailboxId mailbox, bool subscribed, Context) override {
    Box* box = find(account, mailbox);
    if (box == nullptr) co_return fail(ErrorKind::not_found);
    box->info.subscribed = subscribed;
    co_return {};
  }
  Task<Result<std::vector<std::string>>> kept_subscriptions(AccountId account, Context) override {
    const auto& kept = accounts_.at(account).kept;
    co_return std::vector<std::string>(kept.begin(), kept.end());
  }
  Task<Result<void>> forget_subscription(AccountId account, std::string_view path, Context) override {
    if (accounts_.at(account).kept.erase(std::string(path)) == 0) co_return fail(ErrorKind::not_found);
    bump(account);
    co_return {};
  }

  Task<Result<std::vector<KeywordNumber>>> keyword_numbers(AccountId account, std::span<const std::string> names,
                                                           Context) override {
    auto& known = accounts_.at(account).keywords;
    std::vector<KeywordNumber> numbers;
    for (const std::string& name : names) {
      auto at = std::ranges::find_if(known, [&](const std::string& k) { return iequals(k, name); });
      if (at == known.end()) at = known.insert(known.end(), name);
      numbers.push_back(static_cast<KeywordNumber>(at - known.begin()));
    }
    co_return numbers;
  }
  Task<Result<std::vector<std::string>>> keyword_names(AccountId account, Context) override {
    co_return accounts_.at(account).keywords;
  }

  Task<Result<MailboxUids>> uids(AccountId account, MailboxId mailbox, Context) override {
    ++calls;
    Box* box = find(account, mailbox);
    if (box == nullptr) co_return fail(ErrorKind::not_found);
    MailboxUids all{box->info.uid_validity, box->info.uid_next, box->info.highest_modseq, 0, {}};
    for (auto& [uid, row] : box->rows) {
      if (all.uids.empty() || all.uids.back().last + 1 != uid) all.uids.push_back({uid, uid});
      all.uids.back().last = uid;
      if (all.first_unseen == 0 && !row.keywords.has(SystemKeyword::seen)) all.first_unseen = uid;
    }
    co_return all;
  }
  Task<Result<std::vector<MessageRow>>> messages(AccountId account, MailboxId mailbox, UidRange uids, ModSeq since,
                                                 Context) override {
    ++calls;
    Box* box = find(account, mailbox);
    if (box == nullptr) co_return fail(ErrorKind::not_found);
    std::vector<MessageRow> rows;
    for (auto at = box->rows.lower_bound(uids.first); at != box->rows.end() && at->first <= uids.last; ++at)
      if (at->second.modseq > since) rows.push_back(at->second);
    co_return rows;
  }
  Task<Result<std::vector<Uid>>> expunged(AccountId account, MailboxId mailbox, ModSeq since, Context) override {
    ++calls;
    Box* box = find(account, mailbox);
    if (box == nullptr || (tombstones_gone && since < tombstones_gone)) co_return fail(ErrorKind::not_found);
    std::vector<Uid> uids;
    for (auto [uid, modseq] : box->tombstones)
      if (modseq > since) uids.push_back(uid);
    co_return uids;
  }
  Task<Result<std::vector<std::string>>> summaries(AccountId account, std::span<const EmailId> emails, Context) override {
    ++calls;
    std::vector<std::string> result;
    for (EmailId id : emails) {
      auto at = accounts_.at(account).emails.find(id);
      result.push_back(at == accounts_.at(account).emails.end() ? "" : at->second->summary);
    }
    co_return result;
  }
  Task<Result<std::unique_ptr<MessageReader>>> open(AccountId account, EmailId email, Context) override {
    ++calls;
    auto at = accounts_.at(account).emails.find(email);
    if (at == accounts_.at(account).emails.end()) co_return fail(ErrorKind::not_found);
    co_return std::make_unique<Reader>(at->second);
  }

  Result<std::unique_ptr<MessageWriter>> create_message() override { return std::make_unique<Writer>(*this); }
  Task<Result<Appended>> append(AccountId account, MailboxId mailbox, std::span<const NewMessage> messages, Context) override {
    Box* box = find(account, mailbox);
    if (box == nullptr) co_return fail(ErrorKind::not_found);
    Account& a = accounts_.at(account);
    std::uint64_t octets = 0;
    for (const NewMessage& m : messages) octets += m.message->octets();
    if (a.quota.octets_limit != 0 && a.quota.octets_used + octets > a.quota.octets_limit)
      co_return fail(ErrorKind::over_quota);
    Appended result{box->info.uid_validity, {}, {}, ++a.modseq};
    for (const NewMessage& m : messages) {
      const EmailId id{++a.last_email};
      a.emails[id] = static_cast<Staged&>(*m.message).content;
      MessageRow row;
      row.uid = box->info.uid_next++;
      row.deleted = m.deleted;
      row.email = id;
      row.thread = ThreadId{static_cast<std::uint64_t>(id)};
      row.modseq = a.modseq;
      row.saved = clock_.wall_now();
      row.received = m.received.value_or(row.saved);
      row.octets = static_cast<std::uint32_t>(m.message->octets());
      row.keywords = m.keywords;
      box->rows[row.uid] = row;
      box->arrived[row.uid] = row.modseq;
      a.quota.octets_used += row.octets;
      ++a.quota.messages_used;
      result.uids.push_back(row.uid);
      result.emails.push_back(id);
    }
    box->info.highest_modseq = a.modseq;
    tell(account);
    co_return result;
  }
  Task<Result<Copied>> copy(AccountId account, MailboxId from, std::span<const Uid> uids, MailboxId to, Context) override {
    co_return transfer(account, from, uids, to, false);
  }
  Task<Result<Copied>> move(AccountId account, MailboxId from, std::span<const Uid> uids, MailboxId to, Context) override {
    co_return transfer(account, from, uids, to, true);
  }
  Task<Result<FlagsChanged>> change_flags(AccountId account, MailboxId mailbox, std::span<const Uid> uids, FlagChange change,
                                          Context) override {
    Box* box = find(account, mailbox);
    if (box == nullptr) co_return fail(ErrorKind::not_found);
    Account& a = accounts_.at(account);
    FlagsChanged result;
    const ModSeq modseq = a.modseq + 1;
    for (Uid uid : uids) {
      auto at = box->rows.find(uid);
      if (at == box->rows.end()) continue;
      MessageRow row = at->second;
      if (change.unchanged_since && row.modseq > *change.unchanged_since && stale(*box, row, change)) {
        result.refused.push_back(uid);
        continue;
      }
      apply(row, change);
      if (row.keywords == at->second.keywords && row.deleted == at->second.deleted) continue;
      if (row.modseq > change.seen) result.overtaken.push_back(uid);
      row.modseq = modseq;
      note_turned(*box, at->second, row);
      at->second = row;
      result.changed.push_back(row);
    }
    result.before = box->info.highest_modseq;
    if (!result.changed.empty()) box->info.highest_modseq = a.modseq = modseq;
    result.modseq = a.modseq;
    if (!result.changed.empty()) tell(account);
    co_return result;
  }
  Task<Result<std::vector<Uid>>> expunge(AccountId account, MailboxId mailbox, std::span<const Uid> uids, Context) override {
    co_return remove(account, mailbox, uids);
  }
  Task<Result<std::vector<Uid>>> expunge(AccountId account, MailboxId mailbox, AllMessages, Context) override {
    Box* box = find(account, mailbox);
    if (box == nullptr) co_return fail(ErrorKind::not_found);
    std::vector<Uid> all;
    for (auto& [uid, row] : box->rows) all.push_back(uid);
    co_return remove(account, mailbox, all);
  }

  std::unique_ptr<Subscription> subscribe(AccountId account, Executor& executor, std::function<void(ModSeq)> changed) override {
    auto listener = std::make_shared<Listener>(Listener{account, &executor, std::move(changed)});
    listeners_.push_back(listener);
    return std::make_unique<Subscribed>(Subscribed(listener));
  }

  std::size_t calls = 0;           // of the reading kind
  ModSeq tombstones_gone = 0;      // no tombstone below this one is kept

 private:
  struct Content {
    std::string message, summary;
  };
  struct Staged final : StagedMessage {
    std::shared_ptr<Content> content;
    std::uint64_t octets() const noexcept override { return content->message.size(); }
  };
  struct Writer final : MessageWriter {
    explicit Writer(FakeStore& s) : store(s) {}
    Task<Result<void>> write(std::string_view piece, Context) override {
      message += piece;
      co_return {};
    }
    Result<void> read(std::uint64_t offset, std::size_t octets, std::string& out) const override {
      if (offset < message.size()) out.append(message, offset, octets);
      return {};
    }
    Task<Result<std::unique_ptr<StagedMessage>>> finish(Context) override {
      auto staged = std::make_unique<Staged>();
      staged->content = std::make_shared<Content>(Content{message, store.summarise_(message)});
      co_return std::unique_ptr<StagedMessage>(std::move(staged));
    }
    FakeStore& store;
    std::string message;
  };
  struct Reader final : MessageReader {
    explicit Reader(std::shared_ptr<Content> c) : content(std::move(c)) {}
    std::uint64_t octets() const noexcept override { return content->message.size(); }
    Task<Result<std::string_view>> read(std::uint64_t offset, std::size_t octets_max, Context) override {
      if (offset >= content->message.size()) co_return std::string_view();
      co_return std::string_view(content->message).substr(offset, octets_max);
    }
    std::shared_ptr<Content> content;
  };
  struct Box {
    Mailbox info;
    std::map<Uid, MessageRow> rows;
    std::map<Uid, ModSeq> tombstones;
    std::map<Uid, ModSeq> arrived;
    std::map<std::pair<Uid, std::string>, ModSeq> turned;  // when a flag was last set or cleared
  };
  struct Account {
    ModSeq modseq = 1;
    Quota quota;
    std::uint32_t last_box = 0;
    std::uint64_t last_email = 0;
    std::map<MailboxId, Box> boxes;
    std::set<std::string> kept;  // names without a mailbox that are subscribed to
    std::map<EmailId, std::shared_ptr<Content>> emails;
    std::vector<std::string> keywords;
  };
  struct Listener {
    AccountId account;
    Executor* executor;
    std::function<void(ModSeq)> changed;
  };
  struct Subscribed final : Subscription {
    explicit Subscribed(std::shared_ptr<Listener> l) : listener(std::move(l)) {}
    std::shared_ptr<Listener> listener;
  };

  Box* find(AccountId account, MailboxId mailbox) {
    auto& boxes = accounts_.at(account).boxes;
    const auto at = boxes.find(mailbox);
    return at == boxes.end() ? nullptr : &at->second;
  }
  Box& add(Account& a, std::string path, Role role, bool subscribed) {
    const MailboxId id{++a.last_box};
    Box& box = a.boxes[id];
    box.info.id = id;
    box.info.path = std::move(path);
    box.info.name = box.info.path.substr(box.info.path.rfind('/') + 1);
    box.info.role = role;
    box.info.subscribed = a.kept.erase(box.info.path) != 0 || subscribed;
    box.info.uid_validity = 1000 + a.last_box;
    box.info.highest_modseq = box.info.modseq = ++a.modseq;
    return box;
  }
  Mailbox described(const Box& box) const {
    Mailbox m = box.info;
    m.parent = parent_of(box.info.path);
    for (auto& [uid, row] : box.rows) {
      ++m.messages;
      m.unseen += row.keywords.has(SystemKeyword::seen) ? 0 : 1;
      m.deleted += row.deleted ? 1 : 0;
      m.octets += row.octets;
    }
    return m;
  }
  std::optional<MailboxId> parent_of(const std::string& path) const {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return std::nullopt;
    for (auto& [account, a] : accounts_)
      for (auto& [id, box] : a.boxes)
        if (box.info.path == path.substr(0, slash)) return id;
    return std::nullopt;
  }
  // Flags as names, so that each may have a modseq of its own.
  static std::set<std::string> flag_names(const KeywordSet& keywords, bool deleted) {
    std::set<std::string> names;
    for (unsigned bit = 0; bit < 4; ++bit)
      if ((keywords.system_bits() >> bit & 1U) != 0) names.insert("\\" + std::to_string(bit));
    if (deleted) names.insert("\\Deleted");
    for (KeywordNumber n : keywords.numbers()) names.insert(std::to_string(n));
    return names;
  }
  static void note_turned(Box& box, const MessageRow& before, const MessageRow& after) {
    const auto had = flag_names(before.keywords, before.deleted), has = flag_names(after.keywords, after.deleted);
    std::vector<std::string> turned;
    std::ranges::set_symmetric_difference(had, has, std::back_inserter(turned));
    for (const std::string& name : turned) box.turned[{after.uid, name}] = after.modseq;
  }
  // RFC 7162 §3.1.3: whether a flag named is newer than unchanged_since.
  static bool stale(const Box& box, const MessageRow& row, const FlagChange& change) {
    if (change.action == FlagAction::replace) return true;
    const auto has = flag_names(row.keywords, row.deleted);
    for (const std::string& name : flag_names(change.keywords, change.deleted)) {
      const auto at = box.turned.find({row.uid, name});
      const bool exists = name.front() == '\\' || has.contains(name);
      ModSeq modseq = at != box.turned.end() ? at->second : exists ? box.arrived.at(row.uid) : 0;
      if (*change.unchanged_since == 0) modseq = exists ? 1 : 0;
      if (modseq > *change.unchanged_since) return true;
    }
    return false;
  }
  static void apply(MessageRow& row, const FlagChange& change) {
    const std::uint8_t bits = change.keywords.system_bits();
    if (change.action == FlagAction::replace) {
      row.keywords = change.keywords;
      row.deleted = change.deleted;
    } else if (change.action == FlagAction::add) {
      row.keywords.set_system_bits(static_cast<std::uint8_t>(row.keywords.system_bits() | bits));
      for (KeywordNumber n : change.keywords.numbers()) row.keywords.add(n);
      row.deleted = row.deleted || change.deleted;
    } else {
      row.keywords.set_system_bits(static_cast<std::uint8_t>(row.keywords.system_bits() & ~bits));
      for (KeywordNumber n : change.keywords.numbers()) row.keywords.remove(n);
      row.deleted = row.deleted && !change.deleted;
    }
  }
  Result<Copied> transfer(AccountId account, MailboxId from, std::span<const Uid> uids, MailboxId to, bool moving) {
    Box* source = find(account, from);
    Box* target = find(account, to);
    if (source == nullptr || target == nullptr) return fail(ErrorKind::not_found);
    Account& a = accounts_.at(account);
    Copied result{target->info.uid_validity, {}};
    ++a.modseq;
    for (Uid uid : uids) {
      const auto at = source->rows.find(uid);
      if (at == source->rows.end()) continue;
      MessageRow row = at->second;
      row.uid = target->info.uid_next++;
      row.modseq = a.modseq;
      row.saved = clock_.wall_now();
      if (moving) {
        source->rows.erase(at);
        source->tombstones[uid] = a.modseq;
      }
      target->rows[row.uid] = row;
      target->arrived[row.uid] = row.modseq;
      result.uids.emplace_back(uid, row.uid);
    }
    source->info.highest_modseq = target->info.highest_modseq = a.modseq;
    tell(account);
    return result;
  }
  Result<std::vector<Uid>> remove(AccountId account, MailboxId mailbox, std::span<const Uid> uids) {
    Box* box = find(account, mailbox);
    if (box == nullptr) return fail(ErrorKind::not_found);
    Account& a = accounts_.at(account);
    std::vector<Uid> gone;
    for (Uid uid : uids) {
      const auto at = box->rows.find(uid);
      if (at == box->rows.end() || !at->second.deleted) continue;
      a.quota.octets_used -= at->second.octets;
      --a.quota.messages_used;
      box->rows.erase(at);
      box->tombstones[uid] = a.modseq + 1;
      gone.push_back(uid);
    }
    if (!gone.empty()) {
      box->info.highest_modseq = ++a.modseq;
      tell(account);
    }
    return gone;
  }
  void bump(AccountId account) {
    ++accounts_.at(account).modseq;
    tell(account);
  }
  void tell(AccountId account) {
    std::erase_if(listeners_, [](const auto& weak) { return weak.expired(); });
    const ModSeq modseq = accounts_.at(account).modseq;
    for (const auto& weak : listeners_) {
      const auto listener = weak.lock();
      if (listener->account != account) continue;
      listener->executor->post([weak, modseq] {
        if (const auto alive = weak.lock()) alive->changed(modseq);
      });
    }
  }

  Clock& clock_;
  Summarise summarise_;
  std::map<AccountId, Account> accounts_;
  std::vector<std::weak_ptr<Listener>> listeners_;
};

}  // namespace keystonemail::service::imap::testing
