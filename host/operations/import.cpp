// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <sys/stat.h>

#include <algorithm>
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
#include "operations/folder.hpp"
#include "operations/mail_file.hpp"
#include "operations/offline.hpp"
#include "operations/transfer.hpp"
#include "server/stores.hpp"

namespace keystonemail::host {

namespace {

using mailstore::MessageRow;

constexpr std::size_t batch_messages = 64;            // appended in one operation
constexpr std::uint64_t batch_octets = 4U << 20;
constexpr std::size_t summaries_at_a_time = 256;
constexpr std::size_t keywords_octets_max = 64 * 1024;  // of Dovecot's list of 26
constexpr std::size_t folder_depth_max = 50;

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

// The names in Dovecot's list, by their letter.
std::vector<std::string> dovecot_keywords(const Folder& folder) {
  std::vector<std::string> all;
  const auto file = folder.file("dovecot-keywords");
  if (!file) return all;
  std::string text(keywords_octets_max, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file->get()));
  for (std::string_view left = text; !left.empty();) {
    const std::string_view line = left.substr(0, left.find('\n'));
    left.remove_prefix(std::min(line.size() + 1, left.size()));
    const auto blank = line.find(' ');
    const auto number = parse_decimal(line.substr(0, blank), 25);
    if (!number || blank == std::string_view::npos) continue;
    if (all.size() <= *number) all.resize(*number + 1);
    all[*number] = line.substr(blank + 1);
  }
  return all;
}

class MaildirSource final : public Source {
 public:
  // What is no message goes to `problems`.
  MaildirSource(const Folder& folder, std::uint64_t octets_max, Transferred& problems) : octets_max_(octets_max), keywords_(dovecot_keywords(folder)) {
    for (const char* part : {"cur", "new"}) {
      if (!folder.kind(part)) continue;
      auto opened = folder.folder(part);
      auto items = opened ? opened->items() : Result<std::vector<Folder::Item>>(std::unexpected(opened.error()));
      if (!items) {
        problems.mailbox_problem(error_text(items.error()));
        continue;
      }
      for (const Folder::Item& item : *items) {
        if (item.name.starts_with('.') || item.kind == FileKind::directory) continue;
        files_.push_back({parts_.size(), item.name});
      }
      parts_.push_back(*std::move(opened));
    }
    std::ranges::sort(files_, {}, [](const Name& file) { return std::pair(arrival(file.name), std::string_view(file.name)); });
  }
  std::uint64_t total() const noexcept override { return files_.size(); }
  Result<std::optional<FileMessage>> next() override {
    if (at_ == files_.size()) return std::optional<FileMessage>();
    const Name& name = files_[at_++];
    const Folder& part = parts_[name.part];
    KM_TRY(File file, part.file(name.name));
    KM_TRY(FileMessage message, read_maildir_file(std::move(file), part.path() + "/" + name.name, octets_max_));
    const WallTime received = message.marks.received;
    message.marks = parse_maildir_info(name.name, keywords_);
    message.marks.received = received;
    return std::optional<FileMessage>(std::move(message));
  }

 private:
  struct Name {
    std::size_t part;  // among parts_
    std::string name;
  };
  std::uint64_t octets_max_;
  std::vector<std::string> keywords_;
  std::vector<Folder> parts_;  // cur and new
  std::vector<Name> files_;
  std::size_t at_ = 0;
};

struct Place {
  std::string mailbox;
  std::string folder, file;    // below the root; a Maildir has no file
};

// The mailboxes that are to be found at a path.
class Places {
 public:
  Places(const TransferRequest& request, Transferred& problems) : request_(request), problems_(problems) {}

  Result<std::vector<Place>> find(const Folder& root) {
    KM_TRY(const auto items, root.items());
    if (root.kind("cur") == FileKind::directory) {
      add("INBOX", {}, {});
      for (const Folder::Item& item : items) {
        if (!item.name.starts_with('.')) continue;
        if (item.kind == FileKind::link) tell_of_link(root, item.name);
        if (item.kind != FileKind::directory) continue;
        const auto folder = root.folder(item.name);
        if (!folder) problems_.mailbox_problem(error_text(folder.error()));
        else if (folder->kind("cur")) add(mailbox_of_folder(item.name), item.name, {});
      }
    } else {
      KM_CHECK(walk(root, {}, 0));
    }
    if (all_.empty() && problems_.mailboxes_failed == 0)
      return fail(ErrorKind::invalid, request_.path + ": neither a Maildir nor a directory of .mbox files with what is asked for");
    std::ranges::sort(all_, {}, &Place::mailbox);
    return std::move(all_);
  }

 private:
  void add(std::string mailbox, std::string folder, std::string file) {
    if (request_.mailbox.empty() || request_.mailbox == mailbox || (iequals(mailbox, "inbox") && iequals(request_.mailbox, mailbox)))
      all_.push_back({std::move(mailbox), std::move(folder), std::move(file)});
  }

  void tell_of_link(const Folder& folder, const std::string& name) {
    if (request_.mailbox.empty()) problems_.mailbox_problem(folder.path() + "/" + name + ": a symbolic link, which is not followed");
  }

  // Finds the files of mbox below a folder, `path` from the root on.
  Result<void> walk(const Folder& folder, const std::string& path, std::size_t depth) {
    KM_TRY(const auto items, folder.items());
    for (const Folder::Item& item : items) {
      const std::string inner = path.empty() ? item.name : path + "/" + item.name;
      const bool is_mbox = item.name.ends_with(mbox_ending) && item.name.size() > mbox_ending.size();
      if (item.kind == FileKind::directory && depth < folder_depth_max) {
        auto opened = folder.folder(item.name);
        const Result<void> done = opened ? walk(*opened, inner, depth + 1) : Result<void>(std::unexpected(opened.error()));
        if (!done) problems_.mailbox_problem(error_text(done.error()));
      } else if (item.kind == FileKind::file && is_mbox) {
        add(mailbox_of_file_name(std::string_view(inner).substr(0, inner.size() - mbox_ending.size())), path, item.name);
      } else if (item.kind == FileKind::link) {
        tell_of_link(folder, item.name);
      }
    }
    return {};
  }

  static constexpr std::string_view mbox_ending = ".mbox";
  const TransferRequest& request_;
  Transferred& problems_;
  std::vector<Place> all_;
};

class Importer {
 public:
  Importer(Stores& stores, std::uint64_t octets_max, Progress& progress, Context context)
      : mail_(stores.server->mail()), octets_max_(octets_max), progress_(progress), context_(std::move(context)) {}

  Task<Result<Transferred>> run(mailstore::AccountId account, TransferRequest request) {
    account_ = account;
    if (File file = single_file(request.path)) {
      std::string_view name = std::string_view(request.path).substr(request.path.rfind('/') + 1);
      if (name.ends_with(".mbox")) name.remove_suffix(5);
      const std::string mailbox = request.mailbox.empty() ? mailbox_of_file_name(name) : request.mailbox;
      MboxSource source(MboxReader(request.path, std::move(file), octets_max_));
      KM_CO_CHECK(co_await import_mailbox(source, mailbox));
    } else {
      auto root = Folder::open(request.path);
      if (!root) co_return fail(ErrorKind::not_found, request.path + ": there is no such file or directory");
      Places places(request, done_);
      KM_CO_TRY(const auto all, places.find(*root));
      for (const Place& place : all) {
        const auto source = open_source(*root, place);
        if (!source) {
          done_.mailbox_problem(error_text(source.error()));
          continue;
        }
        KM_CO_CHECK(co_await import_mailbox(**source, place.mailbox));
      }
    }
    progress_.end();
    co_return std::move(done_);
  }

 private:
  // An mbox that was named itself.
  static File single_file(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return nullptr;
    return File(std::fopen(path.c_str(), "rbe"));
  }

  Result<std::unique_ptr<Source>> open_source(const Folder& root, const Place& place) {
    KM_TRY(const Folder folder, root.folder(place.folder));
    if (place.file.empty()) return std::make_unique<MaildirSource>(folder, octets_max_, done_);
    KM_TRY(File file, folder.file(place.file));
    return std::make_unique<MboxSource>(MboxReader(folder.path() + "/" + place.file, std::move(file), octets_max_));
  }

  // One whose name is no good is passed over.
  Task<Result<void>> import_mailbox(Source& source, const std::string& mailbox) {
    if (const auto opened = co_await open_mailbox(mailbox); !opened) {
      if (opened.error().kind() == ErrorKind::unavailable || opened.error().kind() == ErrorKind::cancelled) co_return opened;
      done_.mailbox_problem(error_text(opened.error()));
      co_return Result<void>();
    }
    KM_CO_CHECK(co_await list_known());
    KM_CO_CHECK(co_await import_from(source, mailbox));
    ++done_.mailboxes;
    co_return Result<void>();
  }

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
