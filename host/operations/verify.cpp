// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "operations/verify.hpp"

#include <iterator>
#include <utility>

#include "base/format.hpp"
#include "operations/offline.hpp"
#include "server/stores.hpp"

namespace keystonemail::host {

namespace {

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

Task<void> check_queue(Stores& stores, Progress& progress, Verified& all, Context context) {
  progress.begin("checking the queue", 0, "entries");
  auto found = co_await stores.server->queue().verify(context);
  if (!found) {
    all.findings.push_back("queue: " + error_text(found.error()));
    co_return;
  }
  for (service::Finding& finding : *found) all.findings.push_back("queue: " + std::move(finding.what));
}

// What is damaged and referred to has been found with the message it belongs to. The rest a crash has left: a record
// whose operation never was committed.
void scrub_segments(Stores& stores, Progress& progress, Verified& all) {
  progress.begin("scrubbing segments", 0, "records");
  segments::ScrubPosition position;
  for (std::uint64_t octets = 0;;) {
    auto step = stores.blobs->scrub(position, scrub_octets);
    if (!step) {
      all.findings.push_back("segments: " + error_text(step.error()));
      return;
    }
    all.records += step->records;
    octets += step->octets;
    std::move(step->findings.begin(), step->findings.end(), std::back_inserter(all.notes));
    progress.set(all.records, octets);
    if (step->at_end) return;
    position = step->next;
  }
}

}  // namespace

Task<Verified> verify(Stores& stores, Progress& progress, Context context) {
  Verified all;
  check_rows(stores, progress, all);
  co_await check_mail(stores, progress, all, context);
  co_await check_queue(stores, progress, all, context);
  scrub_segments(stores, progress, all);
  progress.end();
  co_return all;
}

}  // namespace keystonemail::host
