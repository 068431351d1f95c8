// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "operations/verify.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <string_view>
#include <utility>

#include "base/format.hpp"
#include "base/try.hpp"
#include "keystonemail/backends/lmdb/recovery.hpp"
#include "kv/disk.hpp"
#include "operations/offline.hpp"
#include "server/stores.hpp"

namespace keystonemail::host {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t scrub_octets = 8U << 20;   // between two looks at the progress

void check_rows(Stores& stores, Progress& progress, Verified& all) {
  progress.begin("checking the index", 0, "rows");
  auto report = stores.kv->check();
  if (!report) {
    all.findings.push_back("index: " + error_text(report.error()));
    return;
  }
  all.rows = report->rows;
  for (std::string& finding : report->findings) all.findings.push_back("index: " + std::move(finding));
  if (report->damaged > report->findings.size())
    all.findings.push_back(format("index: {} more damaged rows", report->damaged - report->findings.size()));
}

std::uint64_t rows_of(Stores& stores, std::string_view table) {
  for (const lmdb::TableStat& stat : stores.kv->stat().tables)
    if (stat.name == table) return stat.rows;
  return 0;
}

std::string describe(const service::Finding& finding) {
  return format("account {}: {}", static_cast<std::uint32_t>(finding.account), finding.what);
}

Task<void> check_mail(Stores& stores, Progress& progress, Verified& all, Context context) {
  progress.begin("checking mail", rows_of(stores, "mail.message"), "messages");
  service::VerifyOptions options;
  options.progress = [&progress](const service::VerifyProgress& seen) { progress.set(seen.messages, seen.octets); };
  auto report = co_await stores.server->mail().verify(std::move(options), context);
  if (!report) {
    all.findings.push_back("mail: " + error_text(report.error()));
    co_return;
  }
  all.accounts = report->seen.accounts;
  all.mailboxes = report->seen.mailboxes;
  all.messages = report->seen.messages;
  all.octets = report->seen.octets;
  for (const service::Finding& finding : report->findings) all.findings.push_back(describe(finding));
}

// That whoever can log in has mailboxes.
Task<void> check_accounts(Stores& stores, Verified& all, Context context) {
  if (stores.plugin) co_return;  // its accounts get theirs when they are first seen
  auto lost = co_await stores.server->accounts().without_mailboxes(context);
  if (!lost) all.findings.push_back("accounts: " + error_text(lost.error()));
  else for (const directory::Account& account : *lost) all.findings.push_back("account " + account.login + ": has no mailboxes");
}

Task<void> check_queue(Stores& stores, Progress& progress, Verified& all, Context context) {
  progress.begin("checking the queue", 0, "entries");
  auto found = co_await stores.server->queue().verify(context);
  if (!found) {
    all.findings.push_back("queue: " + error_text(found.error()));
    co_return;
  }
  for (service::Finding& finding : *found) all.findings.push_back("queue: " + std::move(finding.what));
}

// Whether it is of a record that one of the findings names: "blob HEX: ..." by its id, "segment N: X octets at Y are no record" by its place.
bool is_found_already(const std::string& finding, const std::vector<std::string>& findings) {
  std::string mark = finding.substr(0, finding.find(':', 5));
  if (const auto at = finding.find(" octets at "); finding.starts_with("segment ") && at != std::string::npos) {
    const auto from = at + std::string_view(" octets at ").size();
    mark = finding.substr(0, finding.find(':')) + " at " + finding.substr(from, finding.find(' ', from) - from) + ":";
  }
  return std::ranges::any_of(findings, [&](const std::string& other) { return other.find(mark) != std::string::npos; });
}

// What is damaged and referred to has been found with the message it belongs to. The rest a crash has left: a record
// whose operation never was committed; or damage that repair has taken out of use.
void scrub_segments(Stores& stores, std::uint32_t end, Progress& progress, Verified& all) {
  progress.begin("scrubbing segments", 0, "records");
  segments::ScrubPosition position;
  for (std::uint64_t octets = 0; position.segment < end;) {
    auto step = stores.blobs->scrub(position, scrub_octets);
    if (!step) {
      all.findings.push_back("segments: " + error_text(step.error()));
      return;
    }
    all.records += step->records;
    octets += step->octets;
    for (std::string& finding : step->findings)
      if (!is_found_already(finding, all.findings)) all.notes.push_back(std::move(finding));
    progress.set(all.records, octets);
    if (step->at_end) return;
    position = step->next;
  }
}

constexpr std::uint32_t no_end = UINT32_MAX;

// Segments up to `end` are scrubbed.
Task<Verified> verify_until(Stores& stores, std::uint32_t end, Progress& progress, Context context) {
  Verified all;
  check_rows(stores, progress, all);
  co_await check_mail(stores, progress, all, context);
  co_await check_accounts(stores, all, context);
  co_await check_queue(stores, progress, all, context);
  scrub_segments(stores, end, progress, all);
  progress.end();
  co_return all;
}

// Takes the directory away again.
class Workplace {
 public:
  explicit Workplace(fs::path path) : path_(std::move(path)) { clear(); }
  ~Workplace() { clear(); }
  Workplace(const Workplace&) = delete;
  Workplace& operator=(const Workplace&) = delete;
  [[nodiscard]] const fs::path& path() const noexcept { return path_; }

 private:
  void clear() {
    std::error_code code;
    fs::remove_all(path_, code);
  }
  fs::path path_;
};

Result<void> link_segments(const fs::path& from, const fs::path& to) {
  std::error_code code;
  for (const auto& entry : fs::directory_iterator(from, code))
    if (::link(entry.path().c_str(), (to / entry.path().filename()).c_str()) != 0 && errno != EEXIST)
      return kv::disk_failed(errno, "link " + entry.path().string());
  if (code) return kv::disk_failed(code.value(), "list " + from.string());
  return {};
}

Result<void> copy_stores(Stores& stores, const fs::path& to) {
  const fs::path blobs = fs::path(stores.config.data_directory) / "blobs";
  KM_CHECK(kv::make_directory(to.string()));
  KM_CHECK(kv::make_directory((to / "blobs").string()));
  KM_CHECK(link_segments(blobs, to / "blobs"));
  KM_CHECK(stores.kv->backup((to / "data.mdb").string(), lmdb::Compaction::no));  // page by page
  return link_segments(blobs, to / "blobs");  // those begun since
}

}  // namespace

Verified damaged_index(const std::vector<std::string>& damage) {
  Verified all;
  for (const std::string& finding : damage) all.findings.push_back("index: " + finding);
  return all;
}

Task<Verified> verify(Stores& stores, Progress& progress, Context context) {
  return verify_until(stores, no_end, progress, std::move(context));
}

Task<Result<Verified>> verify_copy(Stores& stores, Progress& progress, Context context) {
  const Workplace place(fs::path(stores.config.data_directory) / ".verify");
  progress.begin("copying the index", 0, "pieces");
  KM_CO_CHECK(copy_stores(stores, place.path()));
  Config there = stores.config;
  there.data_directory = place.path().string();
  KM_CO_TRY(const auto damage, lmdb::examine(Stores::index_options(there)));
  if (!damage.empty()) co_return damaged_index(damage);
  KM_CO_TRY(auto copy, co_await Stores::open_copy(stores, place.path().string(), context));
  const auto segments = copy->blobs->stat();
  const std::uint32_t last = segments.empty() ? no_end : segments.back().segment;  // it grows while we read
  co_return co_await verify_until(*copy, last, progress, std::move(context));
}

}  // namespace keystonemail::host
