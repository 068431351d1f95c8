// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "operations/salvage.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "base/format.hpp"
#include "base/try.hpp"
#include "keystonemail/backends/memory/kv_store.hpp"
#include "keystonemail/backends/segments/blob_store.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/mime/builder.hpp"
#include "keystonemail/mime/header.hpp"
#include "operations/files.hpp"
#include "operations/maildir_writer.hpp"
#include "operations/offline.hpp"
#include "service/mailstore/note.hpp"

namespace keystonemail::host {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t adopted_at_a_time = 500;
constexpr std::size_t salvaged_piece_octets = std::size_t{256} << 10;

// Text that happens to begin with "word:" is no message yet.
bool is_message(std::string_view text) {
  mime::HeaderReader header(text.substr(0, mime::header_octets(text)));
  unsigned telling = 0;
  while (const auto field = header.next()) {
    switch (field->id) {
      case mime::FieldName::malformed: return false;
      case mime::FieldName::received: case mime::FieldName::return_path: case mime::FieldName::from: case mime::FieldName::to:
      case mime::FieldName::date: case mime::FieldName::message_id: case mime::FieldName::subject: ++telling; break;
      default: break;
    }
  }
  return telling >= 2;
}

std::string as_attachment(const segments::RecordInfo& record, std::string content) {
  mime::Attachment attachment;
  attachment.file_name = record.id.hex().substr(0, 16);
  attachment.octets = std::move(content);
  return mime::MessageBuilder()
      .date({record.stored_at, {}})
      .from({"Keystone Mail", "postmaster@localhost"})
      .subject("Salvaged attachment of " + octets_text(record.octets))
      .message_id(record.id.hex() + "@salvaged.invalid")
      .text("The message that this belonged to is not known any more.\r\n")
      .attach(std::move(attachment))
      .build(record.octets);
}

std::string unique_name(WallTime received, const blob::BlobId& id) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(received);
  return format("{}.S{}.{}", seconds.time_since_epoch().count(), id.hex(), maildir_host);
}

// One folder, and what is in it.
class Folder {
 public:
  static Result<Folder> open(const fs::path& path) {
    KM_TRY(auto writer, MaildirWriter::open(path));
    Folder folder(std::move(writer));
    for (const auto& entry : fs::directory_iterator(path / "cur")) {
      const std::string name = entry.path().filename().string();
      folder.there_.insert(name.substr(0, name.find(',')));
    }
    // Maildir++: so a folder within another's is told from a Maildir of its own.
    if (path.filename().string().starts_with('.')) File(std::fopen((path / "maildirfolder").c_str(), "wbe"));
    return folder;
  }
  [[nodiscard]] bool has(const std::string& unique) const { return there_.contains(unique); }
  [[nodiscard]] MaildirWriter& writer() noexcept { return writer_; }
  [[nodiscard]] Result<void> commit(const std::string& unique, std::uint64_t octets, WallTime received) {
    KM_CHECK(writer_.commit(format("{},S={}:2,", unique, octets), received));
    there_.insert(unique);
    return {};
  }

 private:
  explicit Folder(MaildirWriter writer) : writer_(std::move(writer)) {}
  MaildirWriter writer_;
  std::set<std::string> there_;
};

class Salvager {
 public:
  Salvager(kv::Store& rows, segments::BlobStore& blobs, fs::path target, Progress& progress, Context context)
      : rows_(rows), blobs_(blobs), target_(std::move(target)), progress_(progress), context_(std::move(context)) {}

  Task<Result<Salvaged>> run() {
    KM_CO_CHECK(blobs_.records([this](const segments::RecordInfo& record) { records_.push_back(record); }));
    progress_.begin("checking", records_.size(), "records");
    for (std::size_t first = 0; first < records_.size(); first += adopted_at_a_time) {
      KM_CO_CHECK(co_await adopt(first, std::min(records_.size(), first + adopted_at_a_time)));
    }
    progress_.end();
    // The same content may lie in two places: where it was moved from, and where it was moved to.
    std::erase_if(records_, [this](const segments::RecordInfo& record) { return !sound_.erase(record.id); });
    progress_.begin("salvaging", records_.size(), "records");
    for (const segments::RecordInfo& record : records_) {
      if (record.octets <= service::note_octets_max) KM_CO_CHECK(co_await take_note(record));
    }
    for (const segments::RecordInfo& record : records_) {
      if (!claimed_.contains(record.id)) KM_CO_CHECK(take_unclaimed(record));
    }
    progress_.end();
    for (auto& [path, folder] : folders_) KM_CO_CHECK(folder.writer().sync());
    co_return finish();
  }

 private:
  struct Account {
    SalvagedAccount found;
    std::map<std::string, std::uint64_t> addresses;
  };

  // Makes rows of records in memory, so that their content can be read by its name.
  Task<Result<void>> adopt(std::size_t first, std::size_t end) {
    std::vector<std::unique_ptr<blob::Staged>> staged;
    for (std::size_t i = first; i < end; ++i) {
      auto one = blobs_.adopt(records_[i]);
      progress_.add(records_[i].octets);
      if (one) {
        sound_.insert(records_[i].id);
        staged.push_back(*std::move(one));
      } else {
        done_.damaged.push_back(format("segment {} at {}: {}", records_[i].segment, records_[i].offset, error_text(one.error())));
      }
    }
    kv::Operation refer = [this, &staged](kv::Transaction& t) -> Task<Result<void>> {
      for (const auto& one : staged) KM_CO_CHECK(co_await blobs_.add_reference(t, *one));
      co_return Result<void>();
    };
    kv::TransactOptions options;
    options.barrier = blobs_.barrier();
    co_return co_await rows_.transact(std::move(refer), options, context_);
  }

  Task<Result<void>> take_note(const segments::RecordInfo& record) {
    KM_CO_TRY(const auto snapshot, co_await rows_.snapshot(context_));
    const auto begin = co_await blobs_.read(*snapshot, record.id, 0, 8);
    if (!begin || !service::looks_like_note(*begin)) co_return Result<void>();
    const auto octets = co_await blobs_.read(*snapshot, record.id, 0, service::note_octets_max);
    auto note = octets ? service::decode_note(*octets) : std::unexpected(octets.error());
    if (!note) co_return Result<void>();  // then it is an attachment like others
    claimed_.insert(record.id);
    progress_.add(record.octets);
    KM_CO_CHECK(co_await write_message(record, *std::move(note)));
    co_return Result<void>();
  }

  Task<Result<void>> write_message(const segments::RecordInfo& record, service::Note note) {
    const WallTime received{std::chrono::milliseconds(note.where.received)};
    const auto number = static_cast<std::uint32_t>(note.where.account);
    const fs::path home = target_ / format("account-{}", number);
    KM_CO_CHECK(open_folder(home));  // also when all is in other mailboxes
    const fs::path path = home / maildir_folder(note.where.mailbox);
    KM_CO_TRY(Folder* const folder, open_folder(path));
    const std::string unique = unique_name(received, record.id);
    const std::vector<service::BlobUse> uses = note.content.blobs;
    if (folder->has(unique)) {
      ++done_.there_already;
      claim(uses);
      co_return Result<void>();
    }
    const auto reader = service::make_content_reader(rows_, blobs_, std::move(note.content));
    KM_CO_CHECK(folder->writer().begin(unique));
    Account& account = accounts_[number];
    for (std::uint64_t at = 0; at < reader->octets();) {
      const auto piece = co_await reader->read(at, salvaged_piece_octets, context_);
      if (!piece || piece->empty()) {
        folder->writer().give_up();
        done_.damaged.push_back(format("account {}, {}: a message has lost {}", number, note.where.mailbox,
                                       at == 0 ? "its text" : "an attachment"));
        co_return Result<void>();
      }
      if (at == 0) {
        if (const auto to = mime::find_field(*piece, mime::FieldName::delivered_to)) ++account.addresses[std::string(trim(to->value))];
      }
      folder->writer().write(*piece);
      at += piece->size();
    }
    KM_CO_CHECK(folder->commit(unique, reader->octets(), received));
    account.found.directory = home.string();
    ++account.found.messages;
    ++done_.messages;
    done_.octets += reader->octets();
    claim(uses);
    co_return Result<void>();
  }

  void claim(const std::vector<service::BlobUse>& uses) {
    for (const service::BlobUse& use : uses) claimed_.insert(use.id);
  }

  Result<void> take_unclaimed(const segments::RecordInfo& record) {
    progress_.add(record.octets);
    const fs::path path = target_ / "unclaimed";
    KM_TRY(Folder* const folder, open_folder(path));
    const std::string unique = unique_name(record.stored_at, record.id);
    done_.unclaimed = path.string();
    if (folder->has(unique)) {
      ++done_.there_already;
      return {};
    }
    KM_TRY(auto content, blobs_.content(record));
    const bool whole = is_message(content);
    const std::string text = whole ? std::move(content) : as_attachment(record, std::move(content));
    KM_CHECK(folder->writer().begin(unique));
    folder->writer().write(text);
    KM_CHECK(folder->commit(unique, text.size(), record.stored_at));
    ++(whole ? done_.unclaimed_messages : done_.attachments);
    done_.octets += text.size();
    return {};
  }

  Result<Folder*> open_folder(const fs::path& path) {
    auto at = folders_.find(path);
    if (at == folders_.end()) {
      KM_TRY(auto folder, Folder::open(path));
      at = folders_.emplace(path, std::move(folder)).first;
    }
    return &at->second;
  }

  Salvaged finish() {
    for (auto& [number, account] : accounts_) {
      if (account.found.messages == 0) continue;
      const auto most = std::ranges::max_element(account.addresses, {}, [](const auto& address) { return address.second; });
      if (most != account.addresses.end()) account.found.delivered_to = most->first;
      done_.accounts.push_back(std::move(account.found));
    }
    return std::move(done_);
  }

  kv::Store& rows_;
  segments::BlobStore& blobs_;
  fs::path target_;
  Progress& progress_;
  Context context_;
  std::vector<segments::RecordInfo> records_;
  std::set<blob::BlobId> sound_, claimed_;
  std::map<fs::path, Folder> folders_;
  std::map<std::uint32_t, Account> accounts_;
  Salvaged done_;
};

}  // namespace

Task<Result<Salvaged>> salvage(std::string data_directory, std::string target, Progress& progress, Context context) {
  segments::BlobOptions options;
  options.directory = data_directory + "/blobs";
  options.read_only = true;
  std::error_code code;
  if (!fs::is_directory(options.directory, code)) co_return fail(ErrorKind::not_found, options.directory + ": there is no such directory");
  memory::KvOptions tables;
  for (const auto name : segments::blob_tables()) tables.tables.emplace_back(name);
  const auto rows = memory::make_kv_store(std::move(tables));
  KM_CO_TRY(const auto blobs, co_await segments::open_blob_store(*rows, std::move(options), context));
  Salvager salvager(*rows, *blobs, target, progress, context);
  co_return co_await salvager.run();
}

}  // namespace keystonemail::host
