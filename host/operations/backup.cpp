// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "operations/backup.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "backends/lmdb/owner_lock.hpp"
#include "base/format.hpp"
#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/crypto/certificate.hpp"
#include "keystonemail/crypto/digest.hpp"
#include "kv/disk.hpp"
#include "operations/files.hpp"
#include "server/stores.hpp"

namespace keystonemail::host {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view manifest_head = "keystone-mail backup 2";
constexpr std::string_view manifest_head_without_keys = "keystone-mail backup 1";
constexpr std::string_view index_name = "data.mdb";
constexpr std::string_view senders_key_name = "srs.key", signing_keys_name = "dkim", certificates_name = "tls";  // beside the store, and secret
constexpr std::array key_names{senders_key_name, signing_keys_name, certificates_name};
constexpr int key_lists_max = 10;                         // keys may change their names while they are listed
constexpr std::size_t piece_octets = std::size_t{1} << 20;
constexpr std::uint64_t octets_between_syncs = 8U << 20;  // little at a time, as the server syncs to the same disk

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept { return std::swap(fd_, other.fd_), *this; }
  ~Descriptor() { if (fd_ >= 0) ::close(fd_); }
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

struct Entry {
  std::string name;              // in the backup
  std::string digest;            // hexadecimal
  std::uint64_t octets = 0;
};

Result<Descriptor> open_file(const fs::path& path, int flags) {
  Descriptor file(::open(path.c_str(), flags | O_CLOEXEC, 0600));
  if (file.get() < 0) return file_error(path, errno);
  return file;
}

// Reads `octets` of a file from its start, writes them to `to` unless that is -1, and digests them.
Result<std::string> pass(const fs::path& path, int from, std::uint64_t octets, int to, Progress& progress,
                         const std::stop_token& stop = {}) {
  crypto::Digester digester(crypto::Hash::sha256);
  std::string piece(piece_octets, '\0');
  for (std::uint64_t at = 0, synced = 0; at < octets;) {
    if (stop.stop_requested()) return fail(ErrorKind::cancelled, "called off");
    const auto got = ::pread(from, piece.data(), std::min<std::uint64_t>(piece.size(), octets - at), static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return file_error(path, errno);
    if (got == 0) return fail(ErrorKind::corrupt, path.string() + ": shorter than it should be");
    digester.update(std::string_view(piece).substr(0, static_cast<std::size_t>(got)));
    for (ssize_t written = 0; to >= 0 && written < got;) {
      const auto put = ::write(to, piece.data() + written, static_cast<std::size_t>(got - written));
      if (put < 0 && errno != EINTR) return file_error(path, errno);
      written += std::max<ssize_t>(put, 0);
    }
    at += static_cast<std::uint64_t>(got);
    progress.add(static_cast<std::uint64_t>(got));
    if (to < 0 || at - synced < octets_between_syncs) continue;
    if (::fdatasync(to) != 0) return file_error(path, errno);
    synced = at;
  }
  if (to >= 0 && ::fsync(to) != 0) return file_error(path, errno);
  return crypto::to_hex(digester.finish());
}

std::uint64_t size_of(int fd) {
  struct stat status {};
  return ::fstat(fd, &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

Result<Entry> copy_file(const std::string& name, const fs::path& from, int from_fd, const fs::path& to, Progress& progress,
                        const std::stop_token& stop = {}) {
  Entry entry{name, {}, size_of(from_fd)};
  KM_TRY(const Descriptor made, open_file(to, O_WRONLY | O_CREAT | O_EXCL));
  KM_TRY(entry.digest, pass(from, from_fd, entry.octets, made.get(), progress, stop));
  struct stat status {};
  if (::fstat(from_fd, &status) == 0) {  // a key's time says since when it is what it is
    const timespec times[] = {status.st_atim, status.st_mtim};
    (void)::futimens(made.get(), times);
  }
  return entry;
}

Result<void> write_manifest(const fs::path& directory, const std::vector<Entry>& entries) {
  std::string text = std::string(manifest_head) + "\n";
  for (const Entry& entry : entries) text += format("{}  {}  {}\n", entry.digest, entry.octets, entry.name);
  const fs::path path = directory / "manifest";
  KM_TRY(const Descriptor file, open_file(path, O_WRONLY | O_CREAT | O_EXCL));
  if (::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) || ::fsync(file.get()) != 0)
    return file_error(path, errno);
  return {};
}

// "dkim/example.org/20261231r.pem", "tls/certificate.pem"
bool is_key(std::string_view name) {
  const auto is_plain = [](std::string_view part) {
    return !part.empty() && part.front() != '.' &&
           std::ranges::all_of(part, [](char c) { return is_alpha(c) || is_digit(c) || c == '-' || c == '_' || c == '.'; });
  };
  if (name.starts_with("tls/") && name.ends_with(".pem")) return is_plain(name.substr(4));
  if (!name.starts_with(signing_keys_name) || !name.substr(signing_keys_name.size()).starts_with('/') || !name.ends_with(".pem")) return false;
  name.remove_prefix(signing_keys_name.size() + 1);
  const auto slash = name.find('/');
  return slash != std::string_view::npos && is_plain(name.substr(0, slash)) && is_plain(name.substr(slash + 1));
}

// A name that stays within the backup.
bool is_safe(std::string_view name) {
  if (name == index_name || name == senders_key_name || is_key(name)) return true;
  if (!name.starts_with("blobs/") || !name.ends_with(".segment")) return false;
  name.remove_prefix(6);
  return name.size() == 18 && std::ranges::all_of(name.substr(0, 10), is_digit);
}

Result<std::vector<Entry>> read_manifest(const fs::path& directory) {
  const fs::path path = directory / "manifest";
  std::ifstream file(path);
  std::string line;
  const auto damaged = [&] { return fail(ErrorKind::corrupt, path.string() + ": damaged"); };
  if (!file) return fail(ErrorKind::not_found, path.string() + ": cannot be read");
  if (!std::getline(file, line) || (line != manifest_head && line != manifest_head_without_keys)) return damaged();
  std::vector<Entry> entries;
  while (std::getline(file, line)) {
    const auto second = line.find("  ");
    const auto third = second == std::string::npos ? second : line.find("  ", second + 2);
    if (third == std::string::npos || second != 64) return damaged();
    const auto octets = parse_decimal(std::string_view(line).substr(second + 2, third - second - 2));
    Entry entry{line.substr(third + 2), line.substr(0, second), octets.value_or(0)};
    if (!octets || !is_safe(entry.name)) return damaged();
    entries.push_back(std::move(entry));
  }
  if (std::ranges::find(entries, index_name, &Entry::name) == entries.end()) return damaged();
  return entries;
}

// The newest whole backup in a directory of them: names order by time.
std::optional<fs::path> newest(const fs::path& target) {
  std::error_code code;
  std::optional<fs::path> best;
  for (const auto& entry : fs::directory_iterator(target, code))
    if (!entry.path().filename().string().starts_with('.') && fs::exists(entry.path() / "manifest", code))
      if (!best || entry.path().filename() > best->filename()) best = entry.path();
  return best;
}

std::string time_name() {
  const auto now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  const auto day = std::chrono::floor<std::chrono::days>(now);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(now - day);
  return format("{:04}{:02}{:02}T{:02}{:02}{:02}.{:03}Z", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                static_cast<unsigned>(date.day()), clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                clock.subseconds().count());
}

// Segment files by name, open: one that is collected meanwhile can still be read.
using Segments = std::map<std::string, Descriptor>;

Result<void> open_segments(const fs::path& directory, Segments& segments) {
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(directory, code)) {
    const std::string name = "blobs/" + entry.path().filename().string();
    if (!is_safe(name) || segments.contains(name)) continue;
    auto file = open_file(entry.path(), O_RDONLY);
    if (file) segments.emplace(name, *std::move(file));
    else if (file.error().kind() != ErrorKind::not_found) return std::unexpected(file.error());
  }
  if (code) return file_error(directory, code.value());
  return {};
}

// The keys that lie beside the store, open. One that is renamed meanwhile is looked for again.
Result<Segments> open_keys(const fs::path& data) {
  for (int tries = 0; tries < key_lists_max; ++tries) {
    std::vector<std::string> names;
    std::error_code code;
    if (fs::exists(data / senders_key_name, code)) names.emplace_back(senders_key_name);
    for (const auto& domain : fs::directory_iterator(data / signing_keys_name, code)) {
      std::error_code ignored;
      for (const auto& file : fs::directory_iterator(domain.path(), ignored)) {
        const std::string name = std::string(signing_keys_name) + "/" + domain.path().filename().string() + "/" + file.path().filename().string();
        if (is_key(name)) names.push_back(name);
      }
    }
    for (const auto& file : fs::directory_iterator(data / certificates_name, code)) {
      const std::string name = std::string(certificates_name) + "/" + file.path().filename().string();
      if (is_key(name)) names.push_back(name);
    }
    Segments keys;
    bool is_whole = true;
    for (const std::string& name : names) {
      auto file = open_file(data / name, O_RDONLY);
      if (file) keys.emplace(name, *std::move(file));
      else if (file.error().kind() != ErrorKind::not_found) return std::unexpected(file.error());
      is_whole = is_whole && file.has_value();
    }
    if (is_whole) return keys;
  }
  return fail(ErrorKind::unavailable, (data / signing_keys_name).string() + ": its keys change all the time");
}

// A link to the older backup's file, when that is the same to the octet.
Result<bool> share(const Entry* older, const fs::path& from, int from_fd, const fs::path& older_directory, const fs::path& to,
                   Progress& progress, const std::stop_token& stop) {
  if (older == nullptr || older->octets != size_of(from_fd)) return false;
  KM_TRY(const std::string digest, pass(from, from_fd, older->octets, -1, progress, stop));
  return digest == older->digest && ::link((older_directory / older->name).c_str(), to.c_str()) == 0;
}

// Folders for the keys of `entries`, and those for the segments.
Result<void> make_folders(const fs::path& directory, const std::vector<std::string>& names) {
  KM_CHECK(kv::make_directory(directory.string()));
  KM_CHECK(kv::make_directory((directory / "blobs").string()));
  for (const std::string& name : names) {
    if (!is_key(name)) continue;
    const fs::path folder = (directory / name).parent_path();
    if (folder.parent_path() != directory) KM_CHECK(kv::make_directory(folder.parent_path().string()));
    KM_CHECK(kv::make_directory(folder.string()));
  }
  return {};
}

Result<void> sync_tree(const fs::path& directory) {
  std::error_code code;
  for (const std::string_view keys : {signing_keys_name, certificates_name}) {
    for (const auto& entry : fs::recursive_directory_iterator(directory / keys, code))
      if (entry.is_directory(code)) KM_CHECK(kv::sync_directory(entry.path().string()));
    if (fs::exists(directory / keys, code)) KM_CHECK(kv::sync_directory((directory / keys).string()));
  }
  KM_CHECK(kv::sync_directory((directory / "blobs").string()));
  return kv::sync_directory(directory.string());
}

Result<BackedUp> check_files(const fs::path& directory, const std::vector<Entry>& entries, Progress& progress,
                             const std::stop_token& stop = {}) {
  BackedUp seen{directory.string()};
  for (const Entry& entry : entries) {
    const fs::path path = directory / entry.name;
    auto file = open_file(path, O_RDONLY);
    if (!file) return fail(ErrorKind::corrupt, path.string() + ": missing or unreadable");
    (void)::posix_fadvise(file->get(), 0, 0, POSIX_FADV_DONTNEED);  // from the disk, where it is to be had
    auto digest = size_of(file->get()) == entry.octets ? pass(path, file->get(), entry.octets, -1, progress, stop)
                                                       : std::string();
    if (!digest) return std::unexpected(digest.error());
    if (*digest != entry.digest) return fail(ErrorKind::corrupt, path.string() + ": damaged: not what the manifest says");
    ++seen.files;
    seen.octets += entry.octets;
  }
  return seen;
}

bool has_store(const fs::path& data) {
  std::error_code code;
  if (fs::exists(data / index_name, code)) return true;
  return fs::exists(data / "blobs", code) && !fs::is_empty(data / "blobs", code);
}

Result<void> move(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0 && errno != ENOENT) return file_error(from, errno);
  return {};
}

// Whether a certificate there is of no use any more.
bool has_expired(const fs::path& certificates) {
  std::error_code code;
  const WallTime now = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  return std::ranges::any_of(fs::directory_iterator(certificates, code), [&](const fs::directory_entry& file) {
    std::ifstream in(file.path(), std::ios::binary);
    const std::string pem{std::istreambuf_iterator<char>(in), {}};
    const auto found = crypto::read_certificate_pem(pem);
    return found && found->not_after <= now;
  });
}

// What the backup has in its place: a store, and keys. Of certificates, those of the backup when they have expired.
Result<void> move_aside(const fs::path& data, const fs::path& fresh, BackedUp& restored) {
  const fs::path aside = data / ("before-restore-" + time_name());
  std::error_code code;
  const auto in_the_way = [&](std::string_view name) { return fs::exists(data / name, code) && fs::exists(fresh / name, code); };
  const auto any_key = [&](std::string_view name) { return in_the_way(name); };
  const bool has_keys = std::ranges::any_of(key_names, any_key);
  if (!has_store(data) && !has_keys) return {};
  restored.moved_aside = aside.string();
  restored.has_own_certificates = in_the_way(certificates_name) && has_expired(fresh / certificates_name);
  KM_CHECK(kv::make_directory(aside.string()));
  for (const std::string_view name : key_names) {
    const bool stays = name == certificates_name && restored.has_own_certificates;
    if (in_the_way(name)) KM_CHECK(move((stays ? fresh : data) / name, aside / name));
  }
  KM_CHECK(move(data / index_name, aside / index_name));
  return move(data / "blobs", aside / "blobs");
}

}  // namespace

namespace {

// Makes the files of one backup, links included, and says what they are.
class Copier {
 public:
  Copier(Stores& stores, fs::path data, fs::path directory, Progress& progress, const std::stop_token& stop)
      : stores_(stores), data_(std::move(data)), directory_(std::move(directory)), progress_(progress), stop_(stop) {}

  void share_with(const fs::path& older) {
    auto read = read_manifest(older);
    if (!read) return;
    older_directory_ = older;
    older_ = *std::move(read);
  }

  [[nodiscard]] Result<void> run() {
    KM_TRY(const Segments keys, open_keys(data_));
    std::vector<std::string> names;
    for (const auto& [name, file] : keys) names.push_back(name);
    KM_CHECK(make_folders(directory_, names));
    KM_CHECK(open_segments(data_ / "blobs", segments_));
    KM_CHECK(copy_index());
    for (const auto& [name, file] : keys) KM_CHECK(copy_one(name, file.get()));
    KM_CHECK(open_segments(data_ / "blobs", segments_));  // those begun since
    progress_.begin("copying segments", segments_.size(), "files");
    for (const auto& [name, file] : segments_) KM_CHECK(copy_one(name, file.get()));
    KM_CHECK(write_manifest(directory_, entries_));
    KM_CHECK(sync_tree(directory_));
    progress_.begin("reading it back", 0, "pieces");
    KM_TRY(const BackedUp seen, check_files(directory_, entries_, progress_, stop_));
    made.files = seen.files;
    made.octets = seen.octets;
    return {};
  }

  BackedUp made;

 private:
  [[nodiscard]] Result<void> copy_index() {
    progress_.begin("copying the index", 0, "pieces");
    const fs::path index = directory_ / index_name;
    KM_CHECK(stores_.kv->backup(index.string(), lmdb::Compaction::yes));
    KM_TRY(const Descriptor file, open_file(index, O_RDONLY));
    Entry entry{std::string(index_name), {}, size_of(file.get())};
    KM_TRY(entry.digest, pass(index, file.get(), entry.octets, -1, progress_, stop_));
    entries_.push_back(std::move(entry));
    return {};
  }

  [[nodiscard]] Result<void> copy_one(const std::string& name, int fd) {
    const auto known = std::ranges::find(older_, name, &Entry::name);
    const Entry* same = known == older_.end() ? nullptr : &*known;
    KM_TRY(const bool shared, share(same, data_ / name, fd, older_directory_, directory_ / name, progress_, stop_));
    if (shared) {
      entries_.push_back(*same);
      ++made.files_shared;
      return {};
    }
    KM_TRY(Entry copied, copy_file(name, data_ / name, fd, directory_ / name, progress_, stop_));
    entries_.push_back(std::move(copied));
    return {};
  }

  Stores& stores_;
  fs::path data_, directory_;
  Progress& progress_;
  const std::stop_token& stop_;
  fs::path older_directory_;
  std::vector<Entry> older_, entries_;
  Segments segments_;
};

bool is_within(const fs::path& path, const fs::path& directory) {
  std::error_code code;
  const fs::path inner = fs::weakly_canonical(path, code), outer = fs::weakly_canonical(directory, code);
  const auto end = std::ranges::mismatch(outer, inner).in1;
  return end == outer.end();
}

// What backups left that were killed: ".20261231T235959.999Z". REQUIRES: nobody else is at one.
void remove_leftovers(const fs::path& target) {
  constexpr std::string_view shape = ".00000000T000000.000Z";
  std::error_code code;
  std::vector<fs::path> left;
  for (const auto& entry : fs::directory_iterator(target, code)) {
    const std::string name = entry.path().filename().string();
    const bool fits = name.size() == shape.size() && std::ranges::equal(name, shape, [](char c, char s) { return s == '0' ? is_digit(c) : c == s; });
    if (fits && entry.symlink_status(code).type() == fs::file_type::directory) left.push_back(entry.path());
  }
  for (const fs::path& path : left) fs::remove_all(path, code);
}

}  // namespace

Result<BackedUp> backup(Stores& stores, const std::string& data_directory, const std::string& target, Progress& progress,
                        const std::stop_token& stop) {
  if (is_within(target, data_directory))
    return fail(ErrorKind::invalid, target + " is in the data directory: a backup belongs elsewhere, best on another disk");
  KM_CHECK(kv::make_directory(target));
  KM_TRY(const Descriptor lock, open_file(target, O_RDONLY | O_DIRECTORY));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)  // a file system without locks has to do without
    return fail(ErrorKind::conflict, target + ": another backup is being made here");
  remove_leftovers(target);
  const std::string name = time_name();
  const fs::path directory = fs::path(target) / ("." + name);
  Copier copier(stores, data_directory, directory, progress, stop);
  if (const auto older = newest(target)) copier.share_with(*older);
  if (auto copied = copier.run(); !copied) {
    std::error_code code;
    fs::remove_all(directory, code);
    return std::unexpected(std::move(copied).error());
  }
  copier.made.directory = (fs::path(target) / name).string();
  KM_CHECK(move(directory, copier.made.directory));
  KM_CHECK(kv::sync_directory(target));
  progress.end();
  return std::move(copier.made);
}

Result<BackedUp> restore(const std::string& from, const std::string& data_directory, Force force, Progress& progress) {
  std::error_code code;
  const fs::path given(from), data(data_directory);
  const auto directory = fs::exists(given / "manifest", code) ? std::optional(given) : newest(given);
  if (!directory) return fail(ErrorKind::not_found, from + ": there is no backup here");
  KM_TRY(const auto entries, read_manifest(*directory));
  progress.begin("checking the backup", 0, "pieces");
  KM_TRY(BackedUp seen, check_files(*directory, entries, progress));
  KM_CHECK(kv::make_directory(data_directory));
  if (has_store(data) && force == Force::no)
    return fail(ErrorKind::conflict, data_directory + ": there is a store here; --force moves it aside");
  KM_TRY(const auto lock, lmdb::OwnerLock::acquire(data_directory + "/owner.lock"));

  const fs::path fresh = data / ".restore";
  fs::remove_all(fresh, code);
  std::vector<std::string> names;
  for (const Entry& entry : entries) names.push_back(entry.name);
  KM_CHECK(make_folders(fresh, names));
  progress.begin("restoring", 0, "pieces");
  for (const Entry& entry : entries) {
    KM_TRY(const Descriptor file, open_file(*directory / entry.name, O_RDONLY));
    KM_TRY(const Entry copied, copy_file(entry.name, *directory / entry.name, file.get(), fresh / entry.name, progress));
    if (copied.digest != entry.digest) return fail(ErrorKind::corrupt, (*directory / entry.name).string() + ": changed meanwhile");
  }
  KM_CHECK(sync_tree(fresh));
  KM_CHECK(move_aside(data, fresh, seen));
  fs::remove(data / "blobs", code);  // empty, or not there
  for (const std::string_view name : key_names) KM_CHECK(move(fresh / name, data / name));
  KM_CHECK(move(fresh / "blobs", data / "blobs"));
  KM_CHECK(move(fresh / index_name, data / index_name));
  fs::remove(fresh, code);
  KM_CHECK(kv::sync_directory(data_directory));
  progress.end();
  return seen;
}

}  // namespace keystonemail::host
