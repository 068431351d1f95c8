// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <set>
#include <utility>

#include "base/format.hpp"
#include "base/try.hpp"
#include "operations/files.hpp"
#include "operations/mail_file.hpp"
#include "operations/maildir_writer.hpp"
#include "operations/offline.hpp"
#include "operations/transfer.hpp"
#include "server/stores.hpp"

namespace keystonemail::host {

namespace {

namespace fs = std::filesystem;
using mailstore::Mailbox;
using mailstore::MessageRow;

constexpr std::size_t export_piece_octets = std::size_t{256} << 10;
constexpr mailstore::Uid uids_at_a_time = 10'000;

Marks marks_of(const MessageRow& row, const std::vector<std::string>& names) {
  using mailstore::SystemKeyword;
  Marks marks;
  marks.seen = row.keywords.has(SystemKeyword::seen);
  marks.answered = row.keywords.has(SystemKeyword::answered);
  marks.flagged = row.keywords.has(SystemKeyword::flagged);
  marks.draft = row.keywords.has(SystemKeyword::draft);
  marks.deleted = row.deleted;
  for (const auto number : row.keywords.numbers())
    if (number < names.size()) marks.keywords.push_back(names[number]);
  marks.received = row.received;
  return marks;
}

// Where the messages of one mailbox go.
class Sink {
 public:
  virtual ~Sink() = default;
  // False: it is there already.
  [[nodiscard]] virtual Result<bool> begin(const MessageRow& row, const Marks& marks) = 0;
  virtual void write(std::string_view piece) = 0;
  [[nodiscard]] virtual Result<void> end() = 0;
  virtual void give_up() = 0;                        // the message begun cannot be read to its end
  [[nodiscard]] virtual Result<void> close() = 0;
};

class MboxSink final : public Sink {
 public:
  MboxSink(std::string path, File file) : path_(std::move(path)), file_(std::move(file)), writer_(file_.get()) {}
  static Result<std::unique_ptr<Sink>> open(const std::string& path) {
    if (std::error_code code; fs::exists(path, code))
      return fail(ErrorKind::conflict, path + " is there already, and export overwrites nothing: name another directory, or use --format maildir, which adds what is new");
    KM_TRY(File file, create_file(path));
    return std::make_unique<MboxSink>(path, std::move(file));
  }
  Result<bool> begin(const MessageRow&, const Marks& marks) override {
    begun_at_ = ::ftello(file_.get());
    writer_.begin(marks);
    return true;
  }
  void write(std::string_view piece) override { writer_.write(piece); }
  Result<void> end() override {
    writer_.end();
    if (std::ferror(file_.get()) != 0) return file_error(path_, errno);
    return {};
  }
  void give_up() override {
    writer_.end();
    std::fflush(file_.get());
    if (::ftruncate(::fileno(file_.get()), begun_at_) == 0) ::fseeko(file_.get(), begun_at_, SEEK_SET);
  }
  Result<void> close() override {
    if (std::fflush(file_.get()) != 0 || ::fsync(::fileno(file_.get())) != 0) return file_error(path_, errno);
    return {};
  }

 private:
  std::string path_;
  File file_;
  MboxWriter writer_;
  off_t begun_at_ = 0;
};

class MaildirSink final : public Sink {
 public:
  MaildirSink(MaildirWriter writer, std::uint32_t uid_validity) : writer_(std::move(writer)), uid_validity_(uid_validity) {}
  static Result<std::unique_ptr<Sink>> open(const fs::path& root, const Mailbox& mailbox) {
    KM_TRY(auto writer, MaildirWriter::open(root / maildir_folder(mailbox.path)));
    auto sink = std::make_unique<MaildirSink>(std::move(writer), mailbox.uid_validity);
    for (const auto& entry : fs::directory_iterator(sink->writer_.folder() / "cur")) {
      const std::string name = entry.path().filename().string();
      sink->there_.insert(name.substr(0, name.find(',')));
    }
    return sink;
  }
  Result<bool> begin(const MessageRow& row, const Marks& marks) override {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(row.received);
    const std::string unique = format("{}.U{}V{}.{}", seconds.time_since_epoch().count(), row.uid, uid_validity_, maildir_host);
    if (there_.contains(unique)) return false;
    name_ = format("{},S={}{}", unique, row.octets, maildir_info(marks, keywords_));
    received_ = row.received;
    KM_CHECK(writer_.begin(unique));
    return true;
  }
  void write(std::string_view piece) override { writer_.write(piece); }
  Result<void> end() override { return writer_.commit(name_, received_); }
  void give_up() override { writer_.give_up(); }
  // dovecot-keywords: "0 Name", the letter a being 0.
  Result<void> close() override {
    const fs::path& folder = writer_.folder();
    if (!keywords_.empty()) {
      const fs::path path = folder / "dovecot-keywords";
      const File file(std::fopen(path.c_str(), "wbe"));
      if (!file) return file_error(path, errno);
      for (std::size_t i = 0; i < keywords_.size(); ++i) std::fputs(format("{} {}\n", i, keywords_[i]).c_str(), file.get());
    }
    if (folder.filename().string().starts_with('.')) File(std::fopen((folder / "maildirfolder").c_str(), "wbe"));
    return writer_.sync();
  }

 private:
  MaildirWriter writer_;
  std::uint32_t uid_validity_;
  std::set<std::string> there_;
  std::vector<std::string> keywords_;
  std::string name_;
  WallTime received_{};
};

Result<std::unique_ptr<Sink>> open_sink(const TransferRequest& request, const Mailbox& mailbox) {
  const fs::path target(request.path);
  if (request.format == MailFormat::maildir) return MaildirSink::open(target, mailbox);
  if (!request.mailbox.empty()) return MboxSink::open(request.path);
  const fs::path file = target / (mbox_file_name(mailbox.path) + ".mbox");
  KM_CHECK(make_directories(file.parent_path()));
  return MboxSink::open(file.string());
}

class Exporter {
 public:
  Exporter(Stores& stores, Progress& progress, Context context)
      : mail_(stores.server->mail()), progress_(progress), context_(std::move(context)) {}

  Task<Result<Transferred>> run(mailstore::AccountId account, TransferRequest request) {
    account_ = account;
    KM_CO_TRY(names_, co_await mail_.keyword_names(account, context_));
    KM_CO_TRY(auto mailboxes, co_await mail_.mailboxes(account, context_));
    if (!request.mailbox.empty()) {
      KM_CO_TRY(Mailbox one, co_await mail_.find_mailbox(account, request.mailbox, context_));
      mailboxes.clear();
      mailboxes.push_back(std::move(one));
    }
    std::uint64_t total = 0;
    for (const Mailbox& mailbox : mailboxes) total += mailbox.messages;
    progress_.begin("exporting", total, "messages");
    for (const Mailbox& mailbox : mailboxes) {
      KM_CO_TRY(const auto sink, open_sink(request, mailbox));
      KM_CO_CHECK(co_await export_mailbox(mailbox, *sink));
      KM_CO_CHECK(sink->close());
      ++done_.mailboxes;
    }
    progress_.end();
    co_return std::move(done_);
  }

 private:
  Task<Result<void>> export_mailbox(const Mailbox& mailbox, Sink& sink) {
    for (std::uint64_t first = 1; first < mailbox.uid_next; first += uids_at_a_time) {
      const mailstore::UidRange range{static_cast<mailstore::Uid>(first),
                                      static_cast<mailstore::Uid>(std::min<std::uint64_t>(first + uids_at_a_time - 1, UINT32_MAX))};
      KM_CO_TRY(const auto rows, co_await mail_.messages(account_, mailbox.id, range, 0, context_));
      for (const MessageRow& row : rows) {
        KM_CO_TRY(const bool wanted, sink.begin(row, marks_of(row, names_)));
        if (!wanted) {
          ++done_.skipped;
        } else if (auto copied = co_await copy(row, sink); copied) {
          KM_CO_CHECK(sink.end());
          ++done_.messages;
          done_.octets += row.octets;
        } else {
          sink.give_up();
          done_.problem(format("{} UID {}: {}", mailbox.path, row.uid, error_text(copied.error())));
        }
        progress_.add(done_.octets);
      }
    }
    co_return Result<void>();
  }

  Task<Result<void>> copy(const MessageRow& row, Sink& sink) {
    KM_CO_TRY(const auto reader, co_await mail_.open(account_, row.email, context_));
    for (std::uint64_t at = 0; at < reader->octets();) {
      KM_CO_TRY(const std::string_view piece, co_await reader->read(at, export_piece_octets, context_));
      if (piece.empty()) co_return fail(ErrorKind::corrupt, "it is shorter than it should be");
      sink.write(piece);
      at += piece.size();
    }
    co_return Result<void>();
  }

  mailstore::MailStore& mail_;
  Progress& progress_;
  Context context_;
  mailstore::AccountId account_{};
  std::vector<std::string> names_;
  Transferred done_;
};

}  // namespace

Task<Result<Transferred>> export_mail(Stores& stores, TransferRequest request, Progress& progress, Context context) {
  KM_CO_TRY(const auto account, co_await stores.server->directory().find_account(request.login, context));
  Exporter exporter(stores, progress, context);
  co_return co_await exporter.run(account.id, std::move(request));
}

}  // namespace keystonemail::host
