// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// verify: every row held against every other, by accounts. It reads mailbox by mailbox and keeps, for the account at
// hand, one small record for each email: memory grows with the largest account alone.
#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "base/format.hpp"
#include "keystonemail/mime/summary.hpp"
#include "service/mailstore/change_log.hpp"
#include "service/mailstore/content.hpp"
#include "service/mailstore/mailbox_tree.hpp"
#include "service/mailstore/store_impl.hpp"

namespace keystonemail::service {

namespace {

constexpr std::size_t verify_rows = 200;   // read in one snapshot

// What the messages of an account say of one email.
struct EmailSeen {
  std::uint32_t messages = 0;
  std::uint32_t memberships = 0;   // rows of mail.membership
  std::uint32_t size = 0;
  std::uint64_t thread = 0;
  std::uint32_t mailbox = 0, uid = 0;
  std::uint8_t system = 0;
  bool listed = false;
  bool has_row = false;
};

class Verifier {
 public:
  Verifier(StoreCore& core, VerifyOptions options, Context context)
      : core_(core), options_(std::move(options)), context_(context) {}

  Task<Result<VerifyReport>> run(std::vector<mailstore::AccountId> accounts) {
    for (const auto account : accounts) KM_CO_CHECK(co_await check_account(account));
    KM_CO_CHECK(co_await check_strays(accounts));
    co_return std::move(report_);
  }

 private:
  template <class... Arguments>
  void found(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
    if (report_.findings.size() >= options_.findings_max) return;
    report_.findings.push_back({keystonemail::format(text, std::forward<Arguments>(arguments)...), account_});
  }
  void progress() const {
    if (options_.progress) options_.progress(report_.seen);
  }

  // Calls `each(key, value, reader)` for the rows that begin with `prefix`, in batches of one snapshot each.
  template <class Each>
  Task<Result<void>> for_rows(kv::Table table, std::string prefix_first, std::string prefix_end, Each each) {
    std::string next = std::move(prefix_first);
    for (;;) {
      KM_CO_TRY(const auto snapshot, co_await core_.kv.snapshot(context_));
      const kv::Range range{.first = next, .end = prefix_end, .rows_max = verify_rows};
      auto rows = co_await snapshot->scan(table, range);
      if (!rows) {
        if (rows.error().kind() != ErrorKind::corrupt) co_return std::unexpected(std::move(rows).error());
        found("table {} cannot be read on: {}", static_cast<unsigned>(table), rows.error().detail());
        co_return Result<void>();
      }
      for (const kv::Row& row : *rows) KM_CO_CHECK(co_await each(row.key, row.value, *snapshot));
      if (rows->size() < range.rows_max) co_return Result<void>();
      next.assign(rows->back().key).push_back('\0');
    }
  }
  template <class Each>
  Task<Result<void>> for_rows(kv::Table table, Key prefix, Each each) {
    return for_rows(table, std::string(std::string_view(prefix)), std::string(std::string_view(prefix.after_prefix())),
                    std::move(each));
  }

  Task<Result<void>> check_account(mailstore::AccountId account) {
    account_ = account;
    emails_.clear();
    ++report_.seen.accounts;
    AccountRow row;
    {
      KM_CO_TRY(const auto snapshot, co_await core_.kv.snapshot(context_));
      const auto got = co_await get_account(*snapshot, core_, account);
      if (!got) {
        found("account row: {}", got.error().describe());
        co_return Result<void>();
      }
      row = *got;
    }
    std::vector<std::pair<std::uint32_t, std::optional<MailboxRow>>> counters;
    KM_CO_CHECK(co_await for_rows(core_.tables.counter, Key(account),
        [&](std::string_view key, std::string_view value, kv::Reader&) -> Task<Result<void>> {
          const auto id = static_cast<std::uint32_t>(key_number(key, 4, 4));
          if (id != 0) counters.emplace_back(id, read_row<MailboxRow>(value));
          co_return Result<void>();
        }));
    std::uint64_t octets = 0, messages = 0;
    std::unordered_set<std::uint32_t> mailboxes;
    for (const auto& [id, counts] : counters) {
      mailboxes.insert(id);
      if (!counts) {
        found("mailbox {}: its counts cannot be read", id);
        continue;
      }
      KM_CO_CHECK(co_await check_mailbox(row, mailstore::MailboxId{id}, *counts));
      octets += counts->octets_total;
      messages += counts->messages;
    }
    if (octets != row.octets_used) found("quota: {} octets are counted, {} are there", row.octets_used, octets);
    if (messages != row.messages_used) found("quota: {} messages are counted, {} are there", row.messages_used, messages);
    KM_CO_CHECK(co_await check_objects(row, mailboxes));
    KM_CO_CHECK(co_await check_memberships());
    KM_CO_CHECK(co_await check_emails(row));
    KM_CO_CHECK(co_await check_threads());
    co_return Result<void>();
  }

  Task<Result<void>> check_mailbox(const AccountRow& account, mailstore::MailboxId mailbox, const MailboxRow& row) {
    ++report_.seen.mailboxes;
    const auto id = static_cast<std::uint32_t>(mailbox);
    MailboxRow sum;
    std::uint64_t created = 0, highest = 0;
    KM_CO_CHECK(co_await for_rows(core_.tables.message, Key(account_, mailbox),
        [&](std::string_view key, std::string_view value, kv::Reader&) -> Task<Result<void>> {
          const auto uid = static_cast<mailstore::Uid>(key_number(key, 8, 4));
          const auto record = MessageRecord::read(value);
          if (!record) {
            found("mailbox {} uid {}: the message row cannot be read", id, uid);
            co_return Result<void>();
          }
          ++report_.seen.messages;
          count(sum, *record);
          if (uid >= row.uid_next) found("mailbox {} uid {}: not below UIDNEXT {}", id, uid, row.uid_next);
          if (record->created < created || record->modseq < record->created || record->modseq > account.modseq) {
            found("mailbox {} uid {}: its modseqs are out of order", id, uid);
          }
          created = record->created;
          highest = std::max(highest, record->modseq);
          note_email(id, uid, *record);
          co_return Result<void>();
        }));
    if (sum.messages != row.messages || sum.unseen != row.unseen || sum.deleted != row.deleted) {
      found("mailbox {}: counts {}/{}/{} (messages/unseen/deleted), there are {}/{}/{}", id, row.messages, row.unseen,
            row.deleted, sum.messages, sum.unseen, sum.deleted);
    }
    if (sum.octets_total != row.octets_total) found("mailbox {}: counts {} octets, there are {}", id, row.octets_total, sum.octets_total);
    if (highest > row.highest_modseq || row.highest_modseq > account.modseq) found("mailbox {}: its HIGHESTMODSEQ is wrong", id);
    KM_CO_CHECK(co_await check_log(account, mailbox, row));
    progress();
    co_return Result<void>();
  }

  Task<Result<void>> check_log(const AccountRow& account, mailstore::MailboxId mailbox, const MailboxRow& row) {
    std::uint32_t entries = 0;
    KM_CO_CHECK(co_await for_rows(core_.tables.log, Key(account_, mailbox),
        [&](std::string_view key, std::string_view value, kv::Reader&) -> Task<Result<void>> {
          ++entries;
          const std::uint64_t modseq = key_number(key, 8, 8);
          if (!LogEntry::read(value) || modseq > account.modseq || modseq <= row.log_floor) {
            found("mailbox {}: log entry {} is wrong", static_cast<std::uint32_t>(mailbox), modseq);
          }
          co_return Result<void>();
        }));
    if (entries != row.log_rows) found("mailbox {}: {} log entries are counted, {} are there", static_cast<std::uint32_t>(mailbox), row.log_rows, entries);
    co_return Result<void>();
  }

  void note_email(std::uint32_t mailbox, mailstore::Uid uid, const MessageRecord& record) {
    EmailSeen& seen = emails_[record.email];
    if (seen.messages++ == 0) {
      seen.size = record.size;
      seen.thread = record.thread;
      seen.mailbox = mailbox;
      seen.uid = uid;
      seen.system = record.system;
      seen.listed = record.listed;
    } else if (!seen.listed || !record.listed) {
      found("email {}: in several mailboxes, but not listed as such", record.email);
    }
    if (seen.size != record.size || seen.thread != record.thread) found("email {}: its messages disagree", record.email);
    if (seen.system != record.system) found("email {}: its copies have different keywords", record.email);
  }

  Task<Result<void>> check_objects(const AccountRow& account, const std::unordered_set<std::uint32_t>& mailboxes) {
    std::unordered_set<std::uint32_t> objects;
    KM_CO_CHECK(co_await for_rows(core_.tables.mailbox, Key(account_),
        [&](std::string_view key, std::string_view value, kv::Reader&) -> Task<Result<void>> {
          const auto id = static_cast<std::uint32_t>(key_number(key, 4, 4));
          const auto object = MailboxObject::read(value);
          objects.insert(id);
          if (!object) found("mailbox {}: its name cannot be read", id);
          else if (object->parent != 0 && !mailboxes.contains(object->parent)) found("mailbox {}: its parent {} is not there", id, object->parent);
          if (id > account.mailbox_last) found("mailbox {}: above the last number given, {}", id, account.mailbox_last);
          if (!mailboxes.contains(id)) found("mailbox {}: has a name but no counts", id);
          co_return Result<void>();
        }));
    for (const auto id : mailboxes) {
      if (!objects.contains(id)) found("mailbox {}: has counts but no name", id);
    }
    co_return co_await for_rows(core_.tables.subscription, Key(account_),
        [&](std::string_view, std::string_view value, kv::Reader&) -> Task<Result<void>> {
          if (!read_kept_name(value)) found("a name that is subscribed to cannot be read");
          co_return Result<void>();
        });
  }

  Task<Result<void>> check_memberships() {
    co_return co_await for_rows(core_.tables.membership, Key(account_),
        [&](std::string_view key, std::string_view, kv::Reader& reader) -> Task<Result<void>> {
          const std::uint64_t email = key_number(key, 4, 8);
          const mailstore::MailboxId mailbox{static_cast<std::uint32_t>(key_number(key, 12, 4))};
          const auto uid = static_cast<mailstore::Uid>(key_number(key, 16, 4));
          const auto message = co_await read_message(reader, core_, account_, mailbox, uid);
          if (!message || !*message || (*message)->record.email != email) {
            if (!co_await removal_pending(reader, mailbox)) {
              found("email {}: listed at mailbox {} uid {}, where it is not", email, static_cast<std::uint32_t>(mailbox), uid);
            }
          } else if (const auto seen = emails_.find(email); seen != emails_.end()) {
            const bool out_of_sight = co_await removal_pending(reader, mailbox);  // as its messages are
            if (!out_of_sight) ++seen->second.memberships;
          }
          co_return Result<void>();
        });
  }

  // Whether a mailbox is being removed: its messages are still there, out of sight.
  Task<bool> removal_pending(kv::Reader& reader, mailstore::MailboxId mailbox) {
    const auto row = co_await reader.get(core_.tables.removal, Key(account_, mailbox));
    co_return row && *row;
  }

  Task<Result<void>> check_emails(const AccountRow& account) {
    KM_CO_CHECK(co_await for_rows(core_.tables.email, Key(account_),
        [&](std::string_view key, std::string_view value, kv::Reader& reader) -> Task<Result<void>> {
          const std::uint64_t id = key_number(key, 4, 8);
          if (id > account.email_last) found("email {}: above the last number given, {}", id, account.email_last);
          const auto seen = emails_.find(id);
          const auto record = EmailRecord::read(value);
          if (!record) {
            found("email {}: its row cannot be read", id);
          } else if (seen == emails_.end()) {
            const mailstore::MailboxId home{record->home_mailbox};
            if (!co_await in_removed_mailbox(reader, id, home)) found("email {}: in no mailbox", id);
          } else {
            check_email(id, seen->second, *record);
            KM_CO_CHECK(co_await check_content(id, *record));
          }
          if (seen != emails_.end()) seen->second.has_row = true;
          co_return Result<void>();
        }));
    for (const auto& [id, seen] : emails_) {
      if (!seen.has_row) found("email {}: in mailbox {} uid {}, but has no row", id, seen.mailbox, seen.uid);
      const std::uint32_t expected = seen.listed ? seen.messages : 0;
      if (seen.memberships != expected) found("email {}: in {} places, listed at {}", id, seen.messages, seen.memberships);
    }
    co_return Result<void>();
  }

  Task<bool> in_removed_mailbox(kv::Reader& reader, std::uint64_t email, mailstore::MailboxId home) {
    if (co_await removal_pending(reader, home)) co_return true;
    const auto listed = co_await read_memberships(reader, core_, account_, email, memberships_max + 1);
    if (!listed) co_return false;
    for (const Membership& at : *listed) {
      if (co_await removal_pending(reader, at.mailbox)) co_return true;
    }
    co_return false;
  }

  void check_email(std::uint64_t id, const EmailSeen& seen, const EmailRecord& record) {
    if (seen.size != record.size || seen.thread != record.thread) found("email {}: its messages have another size or thread", id);
    if (!seen.listed && (seen.mailbox != record.home_mailbox || seen.uid != record.home_uid)) {
      found("email {}: in mailbox {} uid {}, but its home is {} uid {}", id, seen.mailbox, seen.uid, record.home_mailbox, record.home_uid);
    }
    if (!mime::Summary(record.summary).valid()) found("email {}: its summary cannot be read", id);
  }

  // By a snapshot of its own: two hundred large contents take longer than one may live.
  Task<Result<void>> check_content(std::uint64_t id, const EmailRecord& record) {
    KM_CO_TRY(const auto snapshot, co_await core_.kv.snapshot(context_));
    kv::Reader& reader = *snapshot;
    std::string_view stored = record.content;
    if (record.content_apart) {
      const auto apart = co_await reader.get(core_.tables.content, Key(account_, id));
      stored = apart && *apart ? **apart : std::string_view();
    }
    const auto content = Content::decode(stored);
    if (!content || content->octets() != record.size) {
      found("email {}: its content cannot be read", id);
      co_return Result<void>();
    }
    if (!options_.contents) co_return Result<void>();
    for (const BlobUse& use : content->blobs) {
      const auto octets = co_await core_.blobs.read(reader, use.id, 0, use.octets);
      if (!octets || octets->size() != use.octets) {
        found("email {}: blob {}: {}", id, use.id.hex(), octets ? "too short" : octets.error().describe());
      }
    }
    report_.seen.octets += record.size;
    co_return Result<void>();
  }

  Task<Result<void>> check_threads() {
    co_return co_await for_rows(core_.tables.thread, Key(account_),
        [&](std::string_view, std::string_view value, kv::Reader& reader) -> Task<Result<void>> {
          const auto row = read_row<ThreadRow>(value);
          if (!row) {
            found("a thread row cannot be read");
            co_return Result<void>();
          }
          if (emails_.contains(row->email)) co_return Result<void>();
          const auto email = co_await reader.get(core_.tables.email, Key(account_, row->email));
          if (!email || !*email) found("thread {}: noted by email {}, which is not there", row->thread, row->email);
          co_return Result<void>();
        });
  }

  Task<Result<void>> check_strays(const std::vector<mailstore::AccountId>& accounts) {
    KM_CO_TRY(const auto all, co_await accounts_with_rows(core_, context_));
    for (const auto account : all) {
      account_ = account;
      if (!std::ranges::binary_search(accounts, account)) found("its own row is lost, others are there");
    }
    co_return Result<void>();
  }

  StoreCore& core_;
  VerifyOptions options_;
  Context context_;
  VerifyReport report_;
  mailstore::AccountId account_{};
  std::unordered_map<std::uint64_t, EmailSeen> emails_;  // of account_
};

}  // namespace

StoreImpl::Answer<VerifyReport> StoreImpl::verify(VerifyOptions options, Context context) {
  KM_CO_TRY(auto all, co_await accounts(context));
  Verifier verifier(core_, std::move(options), context);
  co_return co_await verifier.run(std::move(all));
}

}  // namespace keystonemail::service
