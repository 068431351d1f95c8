// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <unordered_map>
#include <utility>

#include "base/format.hpp"
#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/crypto/digest.hpp"
#include "keystonemail/mime/header.hpp"
#include "keystonemail/mime/message.hpp"
#include "keystonemail/mime/summary.hpp"
#include "operations/mail_file.hpp"
#include "operations/offline.hpp"
#include "operations/transfer.hpp"
#include "server/stores.hpp"

namespace keystonemail::host {

namespace {

namespace fs = std::filesystem;
using mailstore::MessageRow;

constexpr std::size_t batch_messages = 64;            // appended in one operation
constexpr std::uint64_t batch_octets = 4U << 20;
constexpr std::size_t summaries_at_a_time = 256;

// What tells a message from others: its Message-ID and size; without one, its size and date.
std::string fingerprint(const mime::Summary& summary, std::uint64_t octets, WallTime received) {
  const auto id = summary.message_id();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(received).time_since_epoch().count();
  const std::string text = format("{}\n{}\n", octets, id ? 0 : seconds) + std::string(id.value_or(""));
  return crypto::digest(crypto::Hash::sha256, text).substr(0, 15);  // as many as a string holds within itself
}

// Files in the order their messages arrived: our own by UID, others by the time their names begin with.
std::uint64_t arrival(std::string_view file) {
  file.remove_prefix(file.rfind('/') + 1);
  const auto own = file.find(format(".{},", maildir_host));
  const auto begin = own == std::string_view::npos ? 0 : std::min(file.find(".U"), own);
  const std::string_view digits = own == std::string_view::npos ? file : file.substr(std::min(begin + 2, file.size()));
  return parse_decimal(digits.substr(0, digits.find_first_not_of("0123456789"))).value_or(0);
}

// One mailbox's messages, one after the other.
class Source {
 public:
  virtual ~Source() = default;
  [[nodiscard]] virtual Result<std::optional<FileMessage>> next() = 0;
  [[nodiscard]] virtual std::uint64_t total() const noexcept { return 0; }
};

class MboxSource final : public Source {
 public:
  explicit MboxSource(MboxReader reader) : reader_(std::move(reader)) {}
  Result<std::optional<FileMessage>> next() override { return reader_.next(); }

 private:
  MboxReader reader_;
};

class MaildirSource final : public Source {
 public:
  MaildirSource(const fs::path& path, std::uint64_t octets_max) : octets_max_(octets_max) {
    std::error_code code;
    for (const char* part : {"cur", "new"})
      for (const auto& entry : fs::directory_iterator(path / part, code))
        if (entry.is_regular_file(code) && !entry.path().filename().string().starts_with('.')) files_.push_back(entry.path().string());
    std::ranges::sort(files_, {}, [](const std::string& file) { return std::pair(arrival(file), std::string_view(file)); });
    std::ifstream names(path / "dovecot-keywords");
    for (std::string line; std::getline(names, line);) {
      const auto blank = line.find(' ');
      const auto number = parse_decimal(std::string_view(line).substr(0, blank), 25);
      if (!number || blank == std::string::npos) continue;
      if (keywords_.size() <= *number) keywords_.resize(*number + 1);
      keywords_[*number] = line.substr(blank + 1);
    }
  }
  std::uint64_t total() const noexcept override { return files_.size(); }
  Result<std::optional<FileMessage>> next() override {
    if (at_ == files_.size()) return std::optional<FileMessage>();
    const std::string& path = files_[at_++];
    KM_TRY(FileMessage message, read_maildir_file(path, octets_max_));
    const WallTime received = message.marks.received;
    message.marks = parse_maildir_info(path, keywords_);
    message.marks.received = received;
    return std::optional<FileMessage>(std::move(message));
  }

 private:
  std::uint64_t octets_max_;
  std::vector<std::string> files_, keywords_;
  std::size_t at_ = 0;
};

struct Place {
  std::string mailbox;
  fs::path path;
  bool maildir = false;
};

// The mailboxes that are to be found at a path.
Result<std::vector<Place>> places(const TransferRequest& request) {
  const fs::path root(request.path);
  std::vector<Place> all;
  std::error_code code;
  if (fs::is_regular_file(root, code)) {
    const std::string stem = root.extension() == ".mbox" ? root.stem().string() : root.filename().string();
    all.push_back({request.mailbox.empty() ? mailbox_of_file_name(stem) : request.mailbox, root, false});
    return all;
  }
  if (!fs::is_directory(root, code)) return fail(ErrorKind::not_found, request.path + ": there is no such file or directory");
  const auto add = [&](std::string mailbox, const fs::path& path, bool maildir) {
    if (request.mailbox.empty() || request.mailbox == mailbox || (iequals(mailbox, "inbox") && iequals(request.mailbox, mailbox)))
      all.push_back({std::move(mailbox), path, maildir});
  };
  if (fs::is_directory(root / "cur", code)) {
    add("INBOX", root, true);
    for (const auto& entry : fs::directory_iterator(root, code))
      if (const std::string name = entry.path().filename().string(); name.starts_with('.') && fs::is_directory(entry.path() / "cur", code))
        add(mailbox_of_folder(name), entry.path(), true);
  } else {
    for (const auto& entry : fs::recursive_directory_iterator(root, code))
      if (entry.is_regular_file(code) && entry.path().extension() == ".mbox")
        add(mailbox_of_file_name(entry.path().lexically_relative(root).replace_extension().string()), entry.path(), false);
  }
  if (all.empty()) return fail(ErrorKind::invalid, request.path + ": neither a Maildir nor a directory of .mbox files with what is asked for");
  std::ranges::sort(all, {}, &Place::mailbox);
  return all;
}

Result<std::unique_ptr<Source>> open_source(const Place& place, std::uint64_t octets_max) {
  if (place.maildir) return std::make_unique<MaildirSource>(place.path, octets_max);
  KM_TRY(MboxReader reader, MboxReader::open(place.path.string(), octets_max));
  return std::make_unique<MboxSource>(std::move(reader));
}

class Importer {
 public:
  Importer(Stores& stores, std::uint64_t octets_max, Progress& progress, Context context)
      : mail_(stores.server->mail()), octets_max_(octets_max), progress_(progress), context_(std::move(context)) {}

  Task<Result<Transferred>> run(mailstore::AccountId account, TransferRequest request) {
    account_ = account;
    KM_CO_TRY(const auto all, places(request));
    for (const Place& place : all) {
      KM_CO_CHECK(co_await open_mailbox(place.mailbox));
      KM_CO_CHECK(co_await list_known());
      KM_CO_TRY(const auto source, open_source(place, octets_max_));
      KM_CO_CHECK(co_await import_from(*source, place.mailbox));
      ++done_.mailboxes;
    }
    progress_.end();
    co_return std::move(done_);
  }

 private:
  Task<Result<void>> open_mailbox(const std::string& path) {
    auto found = co_await mail_.find_mailbox(account_, path, context_);
    if (!found && found.error().kind() == ErrorKind::not_found) {
      mailstore::NewMailbox wanted;
      wanted.path = path;
      found = co_await mail_.create_mailbox(account_, std::move(wanted), context_);
    }
    if (!found) co_return fail(found.error().kind(), "mailbox " + path + ": " + error_text(found.error()));
    mailbox_ = found->id;
    co_return Result<void>();
  }

  Task<Result<void>> list_known() {
    known_.clear();
    const mailstore::UidRange all{};
    KM_CO_TRY(const auto rows, co_await mail_.messages(account_, mailbox_, all, 0, context_));
    for (std::size_t at = 0; at < rows.size(); at += summaries_at_a_time) {
      std::vector<mailstore::EmailId> emails;
      for (std::size_t i = at; i < std::min(rows.size(), at + summaries_at_a_time); ++i) emails.push_back(rows[i].email);
      KM_CO_TRY(const auto summaries, co_await mail_.summaries(account_, emails, context_));
      for (std::size_t i = 0; i < summaries.size(); ++i)
        ++known_[fingerprint(mime::Summary(summaries[i]), rows[at + i].octets, rows[at + i].received)];
    }
    co_return Result<void>();
  }

  Task<Result<void>> import_from(Source& source, const std::string& mailbox) {
    progress_.begin("importing " + mailbox, source.total(), "messages");
    std::uint64_t octets = 0;
    for (;;) {
      auto message = source.next();
      if (!message) {
        done_.problem(error_text(message.error()));
        if (source.total() == 0) break;  // an mbox cannot be read on
        continue;
      }
      if (!*message) break;
      octets += (*message)->text.size();
      KM_CO_CHECK(co_await take(**message));
      progress_.add(octets);
    }
    co_return co_await flush();
  }

  Task<Result<void>> take(FileMessage& message) {
    if (message.too_large) {
      done_.problem(message.name + ": larger than the " + std::to_string(octets_max_) + " octets that are allowed");
      co_return Result<void>();
    }
    const std::string_view header = std::string_view(message.text).substr(0, mime::header_octets(message.text));
    const std::string summary = mime::encode_summary(mime::Message::parse(header));
    const auto known = known_.find(fingerprint(mime::Summary(summary), message.text.size(), message.marks.received));
    if (known != known_.end() && known->second > 0) {
      --known->second;  // so that what is twice in the files comes twice
      ++done_.skipped;
      co_return Result<void>();
    }
    mailstore::NewMessage made;
    if (auto staged = co_await stage(message, made); !staged) {
      if (staged.error().kind() == ErrorKind::unavailable) co_return std::unexpected(staged.error());
      done_.problem(message.name + ": " + error_text(staged.error()));
      co_return Result<void>();
    }
    pending_octets_ += message.text.size();
    pending_.push_back(std::move(made));
    pending_names_.push_back(message.name);
    if (pending_.size() >= batch_messages || pending_octets_ >= batch_octets) co_return co_await flush();
    co_return Result<void>();
  }

  Task<Result<void>> stage(FileMessage& message, mailstore::NewMessage& made) {
    using mailstore::SystemKeyword;
    KM_CO_TRY(const auto writer, mail_.create_message());
    KM_CO_CHECK(co_await writer->write(message.text, context_));
    KM_CO_TRY(auto staged, co_await writer->finish(context_));
    made.message = std::move(staged);
    made.keywords.set(SystemKeyword::seen, message.marks.seen);
    made.keywords.set(SystemKeyword::answered, message.marks.answered);
    made.keywords.set(SystemKeyword::flagged, message.marks.flagged);
    made.keywords.set(SystemKeyword::draft, message.marks.draft);
    made.deleted = message.marks.deleted;
    if (message.marks.received != WallTime{}) made.received = message.marks.received;
    if (message.marks.keywords.empty()) co_return Result<void>();
    KM_CO_TRY(const auto numbers, co_await mail_.keyword_numbers(account_, message.marks.keywords, context_));
    for (const auto number : numbers) made.keywords.add(number);
    co_return Result<void>();
  }

  // Appends what is pending; when that fails, one by one, so that it is known which fails.
  Task<Result<void>> flush() {
    auto pending = std::exchange(pending_, {});
    const auto names = std::exchange(pending_names_, {});
    pending_octets_ = 0;
    if (pending.empty()) co_return Result<void>();
    if (auto all = co_await mail_.append(account_, mailbox_, pending, context_); all) {
      for (const auto& one : pending) count(one);
      co_return Result<void>();
    }
    for (std::size_t i = 0; i < pending.size(); ++i) {
      const std::span<const mailstore::NewMessage> one(&pending[i], 1);
      auto appended = co_await mail_.append(account_, mailbox_, one, context_);
      if (appended) count(pending[i]);
      else if (appended.error().kind() == ErrorKind::unavailable) co_return std::unexpected(appended.error());
      else done_.problem(names[i] + ": " + error_text(appended.error()));
    }
    co_return Result<void>();
  }

  void count(const mailstore::NewMessage& message) {
    ++done_.messages;
    done_.octets += message.message->octets();
  }

  mailstore::MailStore& mail_;
  std::uint64_t octets_max_;
  Progress& progress_;
  Context context_;
  mailstore::AccountId account_{};
  mailstore::MailboxId mailbox_{};
  std::unordered_map<std::string, std::uint32_t> known_;  // fingerprints in the mailbox, how often
  std::vector<mailstore::NewMessage> pending_;
  std::vector<std::string> pending_names_;
  std::uint64_t pending_octets_ = 0;
  Transferred done_;
};

}  // namespace

Task<Result<Transferred>> import_mail(Stores& stores, TransferRequest request, std::uint64_t message_octets_max,
                                      Progress& progress, Context context) {
  KM_CO_TRY(const auto account, co_await stores.server->directory().find_account(request.login, context));
  Importer importer(stores, message_octets_max, progress, context);
  co_return co_await importer.run(account.id, std::move(request));
}

}  // namespace keystonemail::host
