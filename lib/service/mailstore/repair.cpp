// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// repair: what can be derived is derived again from the messages and emails: counts, sums, logs, memberships, and the rows of
// accounts and mailboxes that are lost. A message without an email cannot be served and goes; an email without a message comes
// back into the inbox. A note that cannot be read is given up: its message is whole without it. What a limit on an account was cannot be derived: there is none then.
#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "service/mailstore/mailbox_tree.hpp"
#include "service/mailstore/message_rows.hpp"
#include "service/mailstore/store_impl.hpp"

namespace keystonemail::service {

namespace {

constexpr std::size_t repair_rows = 2'000;  // put in one operation, or read in one snapshot

struct Place {
  std::uint32_t mailbox = 0;
  mailstore::Uid uid = 0;
  friend auto operator<=>(const Place&, const Place&) = default;
};

// One row as it should be; without a value, one that should not be.
struct Change {
  kv::Table table{};
  std::string key;
  std::optional<std::string> value;
};

class Repairer {
 public:
  Repairer(StoreCore& core, std::function<void(const VerifyProgress&)> progress, Context context)
      : core_(core), progress_(std::move(progress)), context_(context) {}

  Task<Result<void>> account(mailstore::AccountId account) {
    account_ = account;
    account_row_ = {};
    removals_.clear();
    messages_.clear();
    places_.clear();
    emails_.clear();
    rows_.clear();
    objects_.clear();
    listed_.clear();
    KM_CO_CHECK(co_await read_all());
    KM_CO_CHECK(co_await drop_lost_messages());
    KM_CO_CHECK(co_await bring_back_emails());
    KM_CO_CHECK(co_await list_memberships());
    KM_CO_CHECK(co_await count_mailboxes());
    KM_CO_CHECK(co_await drop_thread_rows());
    KM_CO_CHECK(co_await flush());
    KM_CO_CHECK(co_await give_up_lost_notes());
    ++seen_.accounts;
    if (progress_) progress_(seen_);
    co_return Result<void>();
  }
  [[nodiscard]] RepairReport report() const noexcept { return {changed_}; }

 private:
  template <class Each>
  Task<Result<void>> for_rows(kv::Table table, Each each) {
    std::string next{std::string_view(Key(account_))};
    const Key end = Key(account_).after_prefix();
    for (;;) {
      KM_CO_TRY(const auto snapshot, co_await core_.kv.snapshot(context_));
      const kv::Range range{.first = next, .end = end, .rows_max = repair_rows};
      KM_CO_TRY(const auto rows, co_await snapshot->scan(table, range));
      for (const kv::Row& row : rows) each(row.key, row.value);
      if (rows.size() < range.rows_max) co_return Result<void>();
      next.assign(rows.back().key).push_back('\0');
    }
  }

  Task<Result<void>> read_all() {
    const MailTables& tables = core_.tables;
    KM_CO_CHECK(co_await for_rows(tables.removal, [&](std::string_view key, std::string_view) { removals_.insert(number(key, 4)); }));
    KM_CO_CHECK(co_await for_rows(tables.mailbox, [&](std::string_view key, std::string_view value) {
      if (auto object = MailboxObject::read(value)) objects_.emplace(number(key, 4), *std::move(object));
    }));
    KM_CO_CHECK(co_await for_rows(tables.counter, [&](std::string_view key, std::string_view value) {
      const auto id = number(key, 4);
      if (id == 0) account_row_ = read_row<AccountRow>(value).value_or(AccountRow{});
      else rows_.emplace(id, read_row<MailboxRow>(value).value_or(MailboxRow{}));
    }));
    KM_CO_CHECK(co_await for_rows(tables.message, [&](std::string_view key, std::string_view value) {
      const Place place{number(key, 4), number(key, 8)};
      if (removals_.contains(place.mailbox)) return;
      rows_.try_emplace(place.mailbox);
      ++seen_.messages;
      if (const auto record = MessageRecord::read(value)) {
        places_[record->email].push_back(place);
        messages_.emplace(place, hold(place.uid, *record));
      } else {
        change(tables.message, key, std::nullopt);
      }
    }));
    KM_CO_CHECK(co_await for_rows(tables.email, [&](std::string_view key, std::string_view value) {
      const std::uint64_t id = key_number(key, 4, 8);
      const auto record = EmailRecord::read(value);
      if (!record) return change(tables.email, key, std::nullopt);
      Email& email = emails_[id];
      email.home = {record->home_mailbox, record->home_uid};
      email.thread = record->thread;
      email.received = record->received;
      email.size = record->size;
    }));
    KM_CO_CHECK(co_await for_rows(tables.membership, [&](std::string_view key, std::string_view) {
      listed_[key_number(key, 4, 8)].insert(Place{number(key, 12), number(key, 16)});
    }));
    KM_CO_CHECK(co_await for_rows(tables.subscription, [&](std::string_view key, std::string_view value) {
      if (!read_kept_name(value)) change(tables.subscription, key, std::nullopt);
    }));
    log_rows_.clear();
    for (const auto& [id, row] : rows_) rise(row.highest_modseq);
    for (const auto& [place, message] : messages_) rise(std::max(message.record.modseq, message.record.created));
    co_return co_await for_rows(tables.log, [&](std::string_view key, std::string_view value) {
      if (!LogEntry::read(value)) return change(tables.log, key, std::nullopt);
      ++log_rows_[number(key, 4)];
      rise(key_number(key, 8, 8));
    });
  }
  void rise(std::uint64_t modseq) { account_row_.modseq = std::max(account_row_.modseq, modseq); }

  Task<Result<void>> drop_lost_messages() {
    std::erase_if(messages_, [&](const auto& entry) {
      if (emails_.contains(entry.second.record.email)) return false;
      change(core_.tables.message, message_key(entry.first), std::nullopt);
      places_.erase(entry.second.record.email);
      return true;
    });
    co_return Result<void>();
  }

  Task<Result<void>> bring_back_emails() {
    for (const auto& [id, email] : emails_) {
      if (places_.contains(id) || being_removed(id, email)) continue;
      MailboxRow& inbox = rows_[static_cast<std::uint32_t>(inbox_id)];
      const Place place{static_cast<std::uint32_t>(inbox_id), inbox.uid_next++};
      HeldMessage message;
      message.uid = place.uid;
      message.record.email = id;
      message.record.thread = email.thread;
      message.record.size = email.size;
      message.record.received = message.record.saved = email.received;
      message.record.modseq = message.record.created = account_row_.modseq + 1;
      message.record.listed = true;
      messages_.emplace(place, message);
      places_[id].push_back(place);
      rewrite(place, message);
    }
    co_return Result<void>();
  }

  struct Email {
    Place home;
    std::uint64_t thread = 0;
    std::int64_t received = 0;
    std::uint32_t size = 0;
  };

  [[nodiscard]] bool being_removed(std::uint64_t id, const Email& email) const {
    if (const auto at = listed_.find(id); at != listed_.end()) {
      return std::ranges::any_of(at->second, [&](const Place& place) { return removals_.contains(place.mailbox); });
    }
    return removals_.contains(email.home.mailbox);
  }

  Task<Result<void>> list_memberships() {
    for (auto& [id, places] : places_) {
      std::ranges::sort(places);
      const bool listed = places.size() > 1 || places.front() != emails_.at(id).home;
      std::set<Place> there = listed_.contains(id) ? std::move(listed_[id]) : std::set<Place>();
      listed_.erase(id);
      const bool any = listed || std::ranges::any_of(places, [&](const Place& p) { return messages_.at(p).record.listed; });
      for (const Place& place : places) {
        HeldMessage& message = messages_.at(place);
        if (message.record.listed != any) {
          message.record.listed = any;
          rewrite(place, message);
        }
        if (any && there.erase(place) == 0) change(core_.tables.membership, membership_key(id, place), std::string(1, '\1'));
      }
      for (const Place& stray : there) {
        if (!removals_.contains(stray.mailbox)) change(core_.tables.membership, membership_key(id, stray), std::nullopt);
      }
      KM_CO_CHECK(co_await flush_some());
    }
    for (const auto& [id, strays] : listed_) {
      for (const Place& stray : strays) {
        if (!removals_.contains(stray.mailbox)) change(core_.tables.membership, membership_key(id, stray), std::nullopt);
      }
    }
    co_return Result<void>();
  }

  Task<Result<void>> count_mailboxes() {
    std::map<std::uint32_t, MailboxRow> sums;
    rows_.try_emplace(static_cast<std::uint32_t>(inbox_id));
    for (const auto& [id, object] : objects_) rows_.try_emplace(id);
    AccountRow account = account_row_;
    account.modseq += 1;  // what clients remember of it may be wrong
    for (auto& [place, message] : messages_) {
      MailboxRow& sum = sums[place.mailbox];
      count(sum, message.record);
      sum.uid_next = std::max(sum.uid_next, place.uid + 1);
    }
    account.octets_used = account.messages_used = 0;
    for (auto& [id, row] : rows_) {
      const MailboxRow& sum = sums[id];
      MailboxRow right = row;
      right.messages = sum.messages;
      right.unseen = sum.unseen;
      right.deleted = sum.deleted;
      right.octets_total = sum.octets_total;
      right.uid_next = std::max(row.uid_next, sum.uid_next);
      right.log_rows = log_rows_.contains(id) ? log_rows_.at(id) : 0;
      if (right.uid_validity == 0) {
        right.uid_validity = next_uid_validity(account, to_milliseconds(context_.executor->wall_now()));
        right.log_floor = account.modseq;
      }
      right.highest_modseq = account.modseq;
      account.octets_used += right.octets_total;
      account.messages_used += right.messages;
      account.mailbox_last = std::max(account.mailbox_last, id);
      account.uid_validity_last = std::max(account.uid_validity_last, right.uid_validity);
      put_row(id, right);
      if (!objects_.contains(id)) name_mailbox(id);
      ++seen_.mailboxes;
    }
    for (const auto& [id, email] : emails_) account.email_last = std::max(account.email_last, id);
    account.tree_modseq = account.modseq;
    change(core_.tables.counter, std::string_view(Key(account_, std::uint32_t{0})), std::string(std::string_view(encode_row(account))));
    co_return Result<void>();
  }

  void put_row(std::uint32_t id, const MailboxRow& row) {
    change(core_.tables.counter, std::string_view(Key(account_, id)), std::string(std::string_view(encode_row(row))));
  }
  void name_mailbox(std::uint32_t id) {
    const bool inbox = mailstore::MailboxId{id} == inbox_id;
    const MailboxObject object{0, inbox ? mailstore::Role::inbox : mailstore::Role::none, true, account_row_.modseq + 1,
                               inbox ? "INBOX" : "Recovered " + std::to_string(id)};
    change(core_.tables.mailbox, std::string_view(Key(account_, id)), object.encode());
  }

  Task<Result<void>> drop_thread_rows() {
    co_return co_await for_rows(core_.tables.thread, [&](std::string_view key, std::string_view value) {
      const auto row = read_row<ThreadRow>(value);
      if (!row || !emails_.contains(row->email)) change(core_.tables.thread, key, std::nullopt);
    });
  }

  // What an email is made of; nothing when that cannot be read.
  Task<Result<std::optional<Content>>> content_of(kv::Reader& reader, std::uint64_t id) {
    KM_CO_TRY(const auto row, co_await reader.get(core_.tables.email, Key(account_, id)));
    const auto record = row ? EmailRecord::read(*row) : std::optional<EmailRecord>();
    if (!record) co_return std::optional<Content>();
    std::string stored(record->content);
    if (record->content_apart) {
      KM_CO_TRY(const auto apart, co_await reader.get(core_.tables.content, Key(account_, id)));
      stored = apart ? std::string(*apart) : std::string();
    }
    auto content = Content::decode(stored);
    co_return content ? std::optional(*std::move(content)) : std::optional<Content>();
  }

  static bool has_note(const Content& content) {
    return !content.blobs.empty() && std::ranges::none_of(content.pieces, [&](const Piece& piece) {
      return piece.kind != Piece::Kind::literal && piece.blob + 1 == content.blobs.size();
    });
  }

  Task<Result<void>> give_up_lost_notes() {
    for (const auto& [id, email] : emails_) {
      KM_CO_TRY(const auto snapshot, co_await core_.kv.snapshot(context_));
      KM_CO_TRY(const auto content, co_await content_of(*snapshot, id));
      if (!content || !has_note(*content)) continue;
      const BlobUse note = content->blobs.back();
      const auto octets = co_await core_.blobs.read(*snapshot, note.id, 0, note.octets);
      const bool is_lost = octets ? octets->size() != note.octets : octets.error().kind() == ErrorKind::corrupt || octets.error().kind() == ErrorKind::not_found;
      if (!is_lost) continue;
      kv::Operation operation = [this, id = id](kv::Transaction& t) { return give_up_note(t, id); };
      KM_CO_CHECK(co_await core_.kv.transact(std::move(operation), StoreCore::frees(), context_));
      ++changed_;
    }
    co_return Result<void>();
  }

  Task<Result<void>> give_up_note(kv::Transaction& t, std::uint64_t id) {
    KM_CO_TRY(auto content, co_await content_of(t, id));
    if (!content || !has_note(*content)) co_return Result<void>();
    const BlobUse note = content->blobs.back();
    content->blobs.pop_back();
    const std::string encoded = content->encode();
    KM_CO_TRY(const auto row, co_await t.get(core_.tables.email, Key(account_, id)));
    const std::string kept(row ? *row : std::string_view());
    auto record = EmailRecord::read(kept);
    if (!record) co_return Result<void>();
    if (record->content_apart) {
      t.put(core_.tables.content, Key(account_, id), encoded);
    } else {
      record->content = encoded;
      t.put(core_.tables.email, Key(account_, id), record->encode());
    }
    co_return co_await core_.blobs.release(t, note.id);
  }

  static std::uint32_t number(std::string_view key, std::size_t at) { return static_cast<std::uint32_t>(key_number(key, at, 4)); }
  [[nodiscard]] std::string message_key(const Place& place) const {
    return std::string(std::string_view(Key(account_, place.mailbox, place.uid)));
  }
  [[nodiscard]] std::string membership_key(std::uint64_t email, const Place& place) const {
    return std::string(std::string_view(Key(account_, email, place.mailbox, place.uid)));
  }
  void rewrite(const Place& place, const HeldMessage& message) {
    change(core_.tables.message, message_key(place), std::string(std::string_view(message.whole().encode())));
  }
  void change(kv::Table table, std::string_view key, std::optional<std::string> value) {
    pending_.push_back({table, std::string(key), std::move(value)});
  }
  Task<Result<void>> flush_some() {
    if (pending_.size() < repair_rows) co_return Result<void>();
    co_return co_await flush();
  }
  Task<Result<void>> write(kv::Transaction& t) {
    for (const Change& row : pending_) {
      if (row.value) t.put(row.table, row.key, *row.value);
      else t.erase(row.table, row.key);
    }
    co_return Result<void>();
  }
  Task<Result<void>> flush() {
    KM_CO_CHECK(co_await core_.kv.transact([this](kv::Transaction& t) { return write(t); }, StoreCore::frees(), context_));
    changed_ += pending_.size();
    pending_.clear();
    co_return Result<void>();
  }

  StoreCore& core_;
  std::function<void(const VerifyProgress&)> progress_;
  Context context_;
  VerifyProgress seen_;
  std::uint64_t changed_ = 0;
  std::vector<Change> pending_;
  // Of the account at hand.
  mailstore::AccountId account_{};
  AccountRow account_row_;
  std::set<std::uint32_t> removals_;  // mailboxes that are being removed: out of sight, as is what is in them
  std::map<std::uint32_t, MailboxObject> objects_;
  std::map<std::uint32_t, MailboxRow> rows_;
  std::map<Place, HeldMessage> messages_;
  std::unordered_map<std::uint64_t, std::vector<Place>> places_;
  std::unordered_map<std::uint64_t, Email> emails_;
  std::unordered_map<std::uint64_t, std::set<Place>> listed_;
  std::map<std::uint32_t, std::uint32_t> log_rows_;
};

}  // namespace

StoreImpl::Answer<RepairReport> StoreImpl::repair(std::function<void(const VerifyProgress&)> progress, Context context) {
  KM_CO_TRY(const auto all, co_await accounts_with_rows(core_, context));
  Repairer repairer(core_, std::move(progress), context);
  for (const AccountId account : all) KM_CO_CHECK(co_await repairer.account(account));
  co_return repairer.report();
}

}  // namespace keystonemail::service
