// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/reports/report_store.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/record.hpp"
#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/archive.hpp"
#include "keystonemail/codec/hex.hpp"
#include "keystonemail/crypto/digest.hpp"
#include "keystonemail/reports/report_mail.hpp"
#include "keystonemail/reports/report_reader.hpp"
#include "service/reports/rows.hpp"

namespace keystonemail::reporting {
namespace {

constexpr std::size_t received_key_octets = 10;  // behind the letter: milliseconds and a piece of the identity
constexpr std::size_t time_octets = 6, piece_octets = 4;
constexpr std::size_t identity_octets = 16;
constexpr std::size_t pruned_at_once = 1'000;
constexpr std::size_t document_octets_max = 64U << 20;  // unpacked: as large as it is written from a report that was taken

// The first key behind all that begin with `prefix`.
std::string end_of(std::string prefix) {
  while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff) prefix.pop_back();
  if (!prefix.empty()) prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

std::uint64_t sum(std::uint64_t a, std::uint64_t b) { return a > UINT64_MAX - b ? UINT64_MAX : a + b; }

// One domain's part of a batch.
Task<Result<void>> add_counts(kv::Transaction& t, kv::Table table, const DayOf& of, const Counts& counts) {
  const std::string day = day_key(of.kind, of.day), info = info_key(of);
  KM_CO_TRY(const auto day_row, co_await t.get(table, day));
  DayRow today = decode_day(day_row);
  KM_CO_TRY(const auto info_row, co_await t.get(table, info));
  auto known = info_row ? decode_info(*info_row) : std::nullopt;
  if (!known) {
    if (today.reports >= limits::domains_per_day_max) co_return Result<void>();
    ++today.reports;
    known.emplace().sending.begin = of.day;
  }
  if (!counts.about.empty()) known->about = counts.about;
  known->lost = sum(known->lost, counts.lost);
  for (const auto& [content, count] : counts.rows) {
    const std::string key = count_key(of, content);
    KM_CO_TRY(const auto there, co_await t.get(table, key));
    const auto row = there ? decode_count(*there) : std::nullopt;
    if (!row && (known->rows >= limits::rows_per_domain_max || today.rows >= limits::rows_per_day_max)) {
      known->lost = sum(known->lost, count);
      continue;
    }
    if (!row) ++known->rows, ++today.rows;
    t.put(table, key, encode_count(sum(row ? row->count : 0, count), content));
  }
  t.put(table, info, encode_info(*known));
  t.put(table, day, encode_day(today));
  co_return Result<void>();
}

// What a row of reports to come is changed by.
using Change = std::function<void(InfoRow&)>;

Task<Result<void>> change_info(kv::Transaction& t, kv::Table table, const DayOf& of, const Change& change) {
  const std::string key = info_key(of);
  KM_CO_TRY(const auto row, co_await t.get(table, key));
  auto info = row ? decode_info(*row) : std::nullopt;
  if (!info) co_return fail(ErrorKind::not_found, "there is no such report to come");
  change(*info);
  t.put(table, key, encode_info(*info));
  co_return Result<void>();
}

// Takes away what was sent of one kind.
Task<Result<std::uint64_t>> take_count(kv::Transaction& t, kv::Table table, const DayOf& of, std::string_view content, std::uint64_t count) {
  const std::string key = count_key(of, content);
  KM_CO_TRY(const auto there, co_await t.get(table, key));
  const auto row = there ? decode_count(*there) : std::nullopt;
  if (row && row->count > count) {
    const std::string fresh = encode_count(row->count - count, content);
    t.put(table, key, fresh);
    co_return std::uint64_t{0};
  }
  t.erase(table, key);
  co_return std::uint64_t{1};
}

struct Document {
  Received about;
  std::string octets;
};

Document document_of(const reports::AggregateReport& report) {
  Document out;
  out.about.kind = Kind::dmarc;
  out.about.organization = report.organization;
  out.about.domain = report.published.domain;
  out.about.report_id = report.report_id;
  out.about.begin = report.begin, out.about.end = report.end;
  for (const auto& record : report.records) {
    auto& side = record.passes() ? out.about.passed : out.about.failed;
    side = sum(side, record.count);
  }
  const std::string xml = reports::write_aggregate(report, reports::AggregateSchema::rfc9990);
  if (xml.size() <= document_octets_max) out.octets = codec::gzip(xml);
  return out;
}

Document document_of(const reports::TlsReport& report) {
  Document out;
  out.about.kind = Kind::tls;
  out.about.organization = report.organization;
  out.about.domain = report.policies.front().domain;
  out.about.report_id = report.report_id;
  out.about.begin = report.begin, out.about.end = report.end;
  for (const auto& policy : report.policies) {
    out.about.passed = sum(out.about.passed, policy.successful);
    out.about.failed = sum(out.about.failed, policy.failed);
  }
  out.octets = codec::gzip(reports::write_tls_report(report));
  return out;
}

Document document_of(const reports::FailureReport& report) {
  Document out;
  out.about.kind = Kind::failure;
  out.about.domain = report.domain;
  if (report.arrived) out.about.begin = out.about.end = *report.arrived;
  out.about.failed = report.incidents;
  out.octets = reports::write_feedback_fields(report) + "\r\n" + report.header;
  return out;
}

std::string identity_of(const Document& document) {
  const Received& about = document.about;
  RecordWriter out;
  out.octet(static_cast<std::uint8_t>(about.kind)).octet(about.verified);
  const bool has_address = about.from.find('@') != std::string::npos;
  out.text(has_address ? to_lower(reports::domain_of(about.from)) : std::string()).text(about.domain);
  out.text(about.report_id.empty() ? document.octets : about.report_id);
  return crypto::digest(crypto::Hash::sha256, out.view());
}

std::string received_key(WallTime received, std::string_view identity) {
  std::string key = "r";
  append_big_endian(key, static_cast<std::uint64_t>(std::max<std::int64_t>(received.time_since_epoch().count(), 0)), time_octets);
  return key.append(identity.substr(0, piece_octets));
}

void take_key(Received& about, std::string_view key) {
  about.id = codec::encode_hex(key.substr(1));
  about.received = WallTime(std::chrono::milliseconds(static_cast<std::int64_t>(read_big_endian(key.substr(1, time_octets)))));
}

bool is_wanted(const Received& about, const ReceivedFilter& filter) {
  return filter.domain.empty() || about.domain == filter.domain || about.domain.ends_with("." + filter.domain);
}

Result<Report> report_of(Kind kind, std::string_view document) {
  if (kind == Kind::failure) {
    const std::size_t end = document.find("\r\n\r\n");
    const std::size_t fields = end == std::string_view::npos ? document.size() : end + 2;
    auto report = reports::read_feedback_fields(document.substr(0, fields), document.substr(std::min(fields + 2, document.size())));
    if (!report) return fail(ErrorKind::corrupt, "a report cannot be read");
    return *std::move(report);
  }
  KM_TRY(const std::string text, codec::gunzip(document, document_octets_max, SIZE_MAX));
  if (kind == Kind::dmarc) {
    KM_TRY(auto report, reports::read_aggregate(text));
    return report;
  }
  KM_TRY(auto report, reports::read_tls_report(text));
  return report;
}

}  // namespace

std::string_view to_string(Kind kind) noexcept {
  switch (kind) {
    case Kind::dmarc: return "dmarc";
    case Kind::tls: return "tls";
    case Kind::failure: return "failure";
  }
  __builtin_unreachable();
}

Task<Result<void>> ReportStore::add(const Batch& batch, Context context) {
  kv::Operation operation = [this, &batch](kv::Transaction& t) -> Task<Result<void>> {
    for (const auto& [of, counts] : batch) KM_CO_CHECK(co_await add_counts(t, table_, of, counts));
    co_return Result<void>();
  };
  co_return co_await store_.transact(std::move(operation), {}, context);
}

Task<Result<std::vector<Waiting>>> ReportStore::waiting(Context context) {
  KM_CO_TRY(const auto snapshot, co_await store_.snapshot(context));
  std::vector<Waiting> out;
  std::string first = "i";
  const std::string end = end_of(first);
  for (;;) {
    const kv::Range range{.first = first, .end = end};
    KM_CO_TRY(const auto rows, co_await snapshot->scan(table_, range));
    for (const kv::Row& row : rows) {
      auto of = read_info_key(row.key);
      const auto info = decode_info(row.value);
      // Of today there may be a row that only says where the next report begins.
      if (of && info && (info->rows > 0 || info->lost > 0 || !info->sending.unique.empty()))
        out.push_back({*std::move(of), info->sending.next_attempt});
    }
    if (rows.size() < range.rows_max) break;
    first.assign(rows.back().key).push_back('\0');
  }
  std::ranges::sort(out, [](const Waiting& a, const Waiting& b) { return a.of.day != b.of.day ? a.of.day < b.of.day : a.of < b.of; });
  co_return out;
}

Task<Result<Gathered>> ReportStore::gathered(const DayOf& of, Context context) {
  KM_CO_TRY(const auto snapshot, co_await store_.snapshot(context));
  const std::string key = info_key(of);
  KM_CO_TRY(const auto row, co_await snapshot->get(table_, key));
  auto info = row ? decode_info(*row) : std::nullopt;
  if (!info) co_return fail(ErrorKind::not_found, "there is no such report to come");
  Gathered out{.about = std::move(info->about), .lost = info->lost, .sending = std::move(info->sending), .rows = {}};
  std::string first = count_prefix(of);
  const std::string end = end_of(first);
  for (;;) {
    const kv::Range range{.first = first, .end = end};
    KM_CO_TRY(const auto rows, co_await snapshot->scan(table_, range));
    for (const kv::Row& one : rows)
      if (const auto count = decode_count(one.value)) out.rows.emplace(count->content, count->count);
    if (rows.size() < range.rows_max) break;
    first.assign(rows.back().key).push_back('\0');
  }
  co_return out;
}

Task<Result<Sending>> ReportStore::begin(const DayOf& of, Sending sending, Context context) {
  Sending now;
  const Change change = [&sending, &now](InfoRow& info) {
    if (info.sending.unique.empty()) {
      const WallTime begin = info.sending.begin;
      info.sending = sending;
      info.sending.begin = begin;
    }
    now = info.sending;
  };
  kv::Operation operation = [this, &of, &change](kv::Transaction& t) { return change_info(t, table_, of, change); };
  KM_CO_CHECK(co_await store_.transact(std::move(operation), {}, context));
  co_return now;
}

kv::Operation ReportStore::note_done(DayOf of, std::string uri) {
  return [this, of = std::move(of), uri = std::move(uri)](kv::Transaction& t) -> Task<Result<void>> {
    const Change change = [&uri](InfoRow& info) { info.sending.done.push_back(uri); };
    co_return co_await change_info(t, table_, of, change);
  };
}

Task<Result<void>> ReportStore::note_done_now(DayOf of, std::string uri, Context context) {
  kv::Operation operation = note_done(std::move(of), std::move(uri));
  co_return co_await store_.transact(std::move(operation), {}, context);
}

Task<Result<void>> ReportStore::put_off(const DayOf& of, WallTime until, Context context) {
  const Change change = [until](InfoRow& info) {
    ++info.sending.attempts;
    info.sending.next_attempt = until;
  };
  kv::Operation operation = [this, &of, &change](kv::Transaction& t) { return change_info(t, table_, of, change); };
  co_return co_await store_.transact(std::move(operation), {}, context);
}

Task<Result<void>> ReportStore::finish(const DayOf& of, const Gathered& sent, Context context) {
  kv::Operation operation = [this, &of, &sent](kv::Transaction& t) -> Task<Result<void>> {
    const std::string key = info_key(of);
    KM_CO_TRY(const auto row, co_await t.get(table_, key));
    auto info = row ? decode_info(*row) : std::nullopt;
    if (!info) co_return Result<void>();
    std::uint64_t gone = 0;
    for (const auto& [content, count] : sent.rows) {
      KM_CO_TRY(const std::uint64_t taken, co_await take_count(t, table_, of, content, count));
      gone += taken;
    }
    info->rows -= std::min(info->rows, gone);
    info->lost -= std::min(info->lost, sent.lost);
    const bool day_is_over = sent.sending.end >= of.day + std::chrono::days(1) - std::chrono::seconds(1);
    if (info->rows == 0 && info->lost == 0 && day_is_over) {
      t.erase(table_, key);
    } else {
      info->sending = {};
      info->sending.begin = day_is_over ? WallTime(of.day) : sent.sending.end;
      t.put(table_, key, encode_info(*info));
    }
    co_return Result<void>();
  };
  co_return co_await store_.transact(std::move(operation), {.growth = kv::Growth::frees}, context);
}

Task<Result<Kept>> ReportStore::keep(const Report& report, std::string from, bool verified, WallTime now, Context context) {
  Document document = std::visit([](const auto& one) { return document_of(one); }, report);
  if (document.octets.empty() || document.octets.size() > limits::received_octets_max) co_return fail(ErrorKind::too_large, "the report is too large to be kept");
  document.about.from = std::move(from);
  document.about.verified = verified;
  // As they are kept, so that the identity can be told from the row.
  for (std::string* text : {&document.about.from, &document.about.domain, &document.about.report_id}) text->resize(std::min(text->size(), kept_text_octets_max));
  const std::string identity = identity_of(document);
  const std::string known = "k" + identity.substr(0, identity_octets);
  const std::string key = received_key(now, identity), row = encode_received(document.about, document.octets);
  const std::string day = day_key(Kind::failure, std::chrono::floor<std::chrono::days>(now));
  const std::uint64_t unverified = verified ? 0 : std::max<std::uint64_t>(row.size(), limits::unverified_octets_least);
  Kept kept = Kept::yes;
  kv::Operation operation = [&, this](kv::Transaction& t) -> Task<Result<void>> {
    KM_CO_TRY(const auto there, co_await t.get(table_, known));
    kept = there ? Kept::duplicate : Kept::yes;
    if (there) co_return Result<void>();
    KM_CO_TRY(const auto day_row, co_await t.get(table_, day));
    DayRow today = decode_day(day_row);
    if (today.reports >= limits::received_per_day_max || today.rows + unverified > limits::unverified_octets_per_day_max) {
      kept = Kept::no_room;
      co_return Result<void>();
    }
    ++today.reports;
    today.rows += unverified;
    t.put(table_, day, encode_day(today));
    t.put(table_, key, row);
    t.put(table_, known, std::string_view(key).substr(1));
    co_return Result<void>();
  };
  KM_CO_CHECK(co_await store_.transact(std::move(operation), {}, context));
  co_return kept;
}

Task<Result<std::vector<Received>>> ReportStore::list(ReceivedFilter filter, Context context) {
  KM_CO_TRY(const auto snapshot, co_await store_.snapshot(context));
  std::vector<Received> out;
  std::string first = received_key(filter.since, {});
  const std::string end = end_of("r");
  for (;;) {
    const kv::Range range{.first = first, .end = end};
    KM_CO_TRY(const auto rows, co_await snapshot->scan(table_, range));
    for (const kv::Row& row : rows) {
      auto read = decode_received(row.value);
      if (!read || row.key.size() != received_key_octets + 1 || !is_wanted(read->first, filter)) continue;
      take_key(read->first, row.key);
      out.push_back(std::move(read->first));
    }
    if (rows.size() < range.rows_max) break;
    first.assign(rows.back().key).push_back('\0');
  }
  co_return out;
}

Task<Result<ReceivedReport>> ReportStore::read(const std::string& id, Context context) {
  const auto octets = codec::decode_hex(id);
  if (!octets || octets->size() != received_key_octets) co_return fail(ErrorKind::not_found, "there is no report " + id);
  KM_CO_TRY(const auto snapshot, co_await store_.snapshot(context));
  const std::string key = "r" + *octets;
  KM_CO_TRY(const auto row, co_await snapshot->get(table_, key));
  if (!row) co_return fail(ErrorKind::not_found, "there is no report " + id);
  auto read = decode_received(*row);
  if (!read) co_return fail(ErrorKind::corrupt, "a report cannot be read");
  ReceivedReport out;
  KM_CO_TRY(out.report, report_of(read->first.kind, read->second));
  out.about = std::move(read->first);
  take_key(out.about, key);
  co_return out;
}

Task<Result<std::size_t>> ReportStore::prune(WallTime until, Context context) {
  std::vector<std::string> stale;
  {
    KM_CO_TRY(const auto snapshot, co_await store_.snapshot(context));
    const std::string end = received_key(until, {});
    const kv::Range received{.first = "r", .end = end, .rows_max = pruned_at_once};
    KM_CO_TRY(const auto rows, co_await snapshot->scan(table_, received));
    for (const kv::Row& row : rows) stale.emplace_back(row.key);
    // Who is as old, is known no more; and of days gone by nobody asks how much there was.
    for (const Kind kind : {Kind::dmarc, Kind::tls, Kind::failure}) {
      const std::string first = day_key(kind, {}), last = day_key(kind, std::chrono::floor<std::chrono::days>(until));
      const kv::Range days{.first = first, .end = last, .rows_max = pruned_at_once};
      KM_CO_TRY(const auto old, co_await snapshot->scan(table_, days));
      for (const kv::Row& row : old) stale.emplace_back(row.key);
    }
    if (stale.empty()) co_return std::size_t{0};
  }
  std::size_t gone = 0;
  kv::Operation operation = [this, &stale, &gone](kv::Transaction& t) -> Task<Result<void>> {
    gone = 0;
    for (const std::string& key : stale) {
      if (key.front() == 'r') {
        KM_CO_TRY(const auto row, co_await t.get(table_, key));
        if (!row) continue;
        const auto read = decode_received(*row);
        ++gone;
        if (read) {
          const Document document{read->first, std::string(read->second)};
          t.erase(table_, "k" + identity_of(document).substr(0, identity_octets));
        }
      }
      t.erase(table_, key);
    }
    co_return Result<void>();
  };
  KM_CO_CHECK(co_await store_.transact(std::move(operation), {.growth = kv::Growth::frees}, context));
  co_return gone;
}

}  // namespace keystonemail::reporting
