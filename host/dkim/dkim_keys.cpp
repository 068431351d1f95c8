// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "dkim/dkim_keys.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <tuple>

#include "base/format.hpp"
#include "base/try.hpp"
#include "keystonemail/codec/idna.hpp"
#include "keystonemail/mailauth/dkim/key_record.hpp"

namespace keystonemail::host {
namespace {

namespace files = std::filesystem;
constexpr std::size_t key_file_octets_max = 64 * 1024;

std::string_view suffix_of(KeyState state) noexcept {
  switch (state) {
    case KeyState::next: return ".next.pem";
    case KeyState::active: return ".pem";
    case KeyState::old: return ".old.pem";
  }
  __builtin_unreachable();
}

Result<void> sync_directory(const files::path& directory) {
  const int fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && ::fsync(fd) == 0;
  if (fd >= 0) ::close(fd);
  if (!synced) return fail(ErrorKind::unavailable, "cannot write " + directory.string());
  return {};
}

// Whole or not at all, and readable by nobody else.
Result<void> write_secret(const files::path& path, std::string_view octets) {
  const std::string temporary = path.string() + ".tmp";
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return fail(ErrorKind::unavailable, "cannot write " + temporary);
  const bool written = ::write(fd, octets.data(), octets.size()) == static_cast<ssize_t>(octets.size()) && ::fsync(fd) == 0;
  ::close(fd);
  if (!written || ::rename(temporary.c_str(), path.c_str()) != 0) {
    ::unlink(temporary.c_str());
    return fail(ErrorKind::unavailable, "cannot write " + path.string());
  }
  return sync_directory(path.parent_path());
}

Result<DkimKey> read_key(const files::path& path, std::string domain) {
  std::string name = path.filename().string();
  KeyState state = KeyState::active;
  for (const KeyState candidate : {KeyState::next, KeyState::old, KeyState::active}) {
    if (!name.ends_with(suffix_of(candidate))) continue;
    state = candidate;
    name.resize(name.size() - suffix_of(candidate).size());
    break;
  }
  std::ifstream in(path, std::ios::binary);
  std::string pem(std::istreambuf_iterator<char>(in), {});
  if (!in || pem.size() > key_file_octets_max) return fail(ErrorKind::unavailable, "cannot read " + path.string());
  auto key = crypto::PrivateKey::from_pem(pem);
  if (!key) return fail(ErrorKind::corrupt, path.string() + " holds no private key");
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return fail(ErrorKind::unavailable, "cannot read " + path.string());
  return DkimKey{.domain = std::move(domain), .selector = std::move(name), .state = state, .key = *std::move(key),
                 .changed = WallTime(std::chrono::seconds(status.st_mtime))};
}

}  // namespace

std::string_view to_string(KeyState state) noexcept {
  switch (state) {
    case KeyState::next: return "next";
    case KeyState::active: return "active";
    case KeyState::old: return "old";
  }
  __builtin_unreachable();
}

std::unique_ptr<DkimKeys> DkimKeys::open(std::string directory) {
  std::unique_ptr<DkimKeys> keys(new DkimKeys(std::move(directory)));
  keys->load();
  return keys;
}

void DkimKeys::load() {
  std::vector<DkimKey> found;
  std::vector<std::string> problems;
  std::error_code code;
  for (const auto& domain : files::directory_iterator(directory_, code)) {
    if (!domain.is_directory(code)) continue;
    for (const auto& file : files::directory_iterator(domain.path(), code)) {
      if (file.path().extension() != ".pem") continue;
      auto key = read_key(file.path(), domain.path().filename().string());
      if (key) found.push_back(*std::move(key));
      else problems.push_back(key.error().text());
    }
  }
  std::ranges::sort(found, {}, [](const DkimKey& key) { return std::tie(key.domain, key.selector); });
  std::map<std::string, mailauth::dkim::SignerOptions> signers;
  for (const DkimKey& key : found) {
    if (key.state == KeyState::active) signers[key.domain].keys.push_back({.domain = key.domain, .selector = key.selector, .key = key.key});
  }
  const std::lock_guard lock(mutex_);
  keys_ = std::move(found);
  problems_ = std::move(problems);
  signers_.clear();
  for (auto& [domain, options] : signers) signers_.emplace(domain, std::make_shared<mailauth::dkim::SignerOptions>(std::move(options)));
}

std::vector<std::string> DkimKeys::problems() const {
  const std::lock_guard lock(mutex_);
  return problems_;
}

std::vector<DkimKey> DkimKeys::list() const {
  const std::lock_guard lock(mutex_);
  return keys_;
}

std::vector<DkimKey> DkimKeys::of(std::string_view domain, KeyState state) const {
  std::vector<DkimKey> found;
  std::ranges::copy_if(keys_, std::back_inserter(found), [&](const DkimKey& key) { return key.domain == domain && key.state == state; });
  return found;
}

Result<std::vector<DkimKey>> DkimKeys::generate(std::string_view domain, WallTime now) {
  const auto name = codec::to_ascii_domain(domain);
  if (!name) return fail(ErrorKind::invalid, format("\"{}\" is no domain", domain));
  {
    const std::lock_guard lock(mutex_);
    if (std::ranges::find(keys_, *name, &DkimKey::domain) != keys_.end())
      return fail(ErrorKind::conflict, *name + " has keys: see dkim list, or change them with dkim rotate");
  }
  return make(*name, KeyState::active, now);
}

Result<std::vector<DkimKey>> DkimKeys::rotate(std::string_view domain, WallTime now) {
  const auto name = codec::to_ascii_domain(domain);
  if (!name) return fail(ErrorKind::invalid, format("\"{}\" is no domain", domain));
  std::vector<DkimKey> next, active;
  {
    const std::lock_guard lock(mutex_);
    next = of(*name, KeyState::next);
    active = of(*name, KeyState::active);
  }
  if (next.empty()) return make(*name, active.empty() ? KeyState::active : KeyState::next, now);
  for (const DkimKey& key : next) KM_CHECK(move(key, KeyState::active));
  for (const DkimKey& key : active) KM_CHECK(move(key, KeyState::old));
  load();
  const std::lock_guard lock(mutex_);
  return of(*name, KeyState::active);
}

// Selectors are the date and the kind of key, "20261231r", and a letter where there is one of that day.
Result<std::vector<DkimKey>> DkimKeys::make(const std::string& domain, KeyState state, WallTime now) {
  const std::chrono::year_month_day day(std::chrono::floor<std::chrono::days>(now));
  const std::string date = format("{:04}{:02}{:02}", static_cast<int>(day.year()), static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()));
  std::set<std::string> taken;
  for (const DkimKey& key : list()) {
    if (key.domain == domain) taken.insert(key.selector);
  }
  std::error_code code;
  const files::path directory = files::path(directory_) / domain;
  files::create_directories(directory, code);
  files::permissions(directory_, files::perms::owner_all, code);
  files::permissions(directory, files::perms::owner_all, code);
  std::set<std::string> made;
  for (const auto& [type, letter] : {std::pair(crypto::KeyType::rsa, "r"), std::pair(crypto::KeyType::ed25519, "e")}) {
    std::string selector = date + letter;
    for (char more = 'b'; taken.contains(selector) && more <= 'z'; ++more) selector = date + letter + more;
    if (taken.contains(selector)) return fail(ErrorKind::conflict, "too many keys of one day");
    KM_TRY(crypto::PrivateKey key, crypto::PrivateKey::generate(type));
    const files::path path = directory / (selector + std::string(suffix_of(state)));
    KM_CHECK(write_secret(path, key.pem().view()));
    made.insert(selector);
  }
  KM_CHECK(sync_directory(directory_));
  load();
  std::vector<DkimKey> out;
  for (DkimKey& key : list()) {
    if (key.domain == domain && made.contains(key.selector)) out.push_back(std::move(key));
  }
  return out;
}

std::string DkimKeys::path_of(const DkimKey& key, KeyState state) const {
  return directory_ + "/" + key.domain + "/" + key.selector + std::string(suffix_of(state));
}

Result<void> DkimKeys::move(const DkimKey& key, KeyState state) const {
  const std::string to = path_of(key, state);
  if (::rename(path_of(key, key.state).c_str(), to.c_str()) != 0) return fail(ErrorKind::unavailable, "cannot write " + to);
  (void)::utimensat(AT_FDCWD, to.c_str(), nullptr, 0);  // when it came into this state
  return sync_directory(files::path(to).parent_path());
}

std::shared_ptr<const mailauth::dkim::SignerOptions> DkimKeys::signer(std::string_view domain) const {
  const std::lock_guard lock(mutex_);
  const auto found = signers_.find(domain);
  return found == signers_.end() ? nullptr : found->second;
}

std::string zone_line(const DkimKey& key) {
  constexpr std::size_t string_octets_max = 255;  // RFC 1035 §3.3.14
  std::string out = key.selector + "._domainkey." + key.domain + ". IN TXT (";
  const std::string record = mailauth::dkim::key_record_text(key.key.public_key());
  for (std::size_t at = 0; at < record.size(); at += string_octets_max) out += " \"" + record.substr(at, string_octets_max) + "\"";
  return out + " )";
}

}  // namespace keystonemail::host
