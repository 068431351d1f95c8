// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/reports/rows.hpp"

#include <algorithm>

#include "base/record.hpp"
#include "keystonemail/crypto/digest.hpp"

namespace keystonemail::reporting {
namespace {

constexpr std::uint8_t version = 1;
constexpr std::size_t digest_octets = 16;
constexpr std::uint64_t list_max = 200;                     // of anything; a longer one is damage
constexpr std::uint64_t time_max = 253'402'300'799'000;     // the end of year 9999

std::string_view cut(std::string_view text) { return text.substr(0, kept_text_octets_max); }

std::uint64_t number_of(WallTime time) { return static_cast<std::uint64_t>(std::max<std::int64_t>(time.time_since_epoch().count(), 0)); }
WallTime read_time(RecordReader& in) {
  return WallTime(std::chrono::milliseconds(static_cast<std::int64_t>(std::min(in.number(), time_max))));
}

void put_texts(RecordWriter& out, const std::vector<std::string>& texts) {
  out.number(texts.size());
  for (const std::string& text : texts) out.text(text);
}
// So many items as the record says, each read by `read`; nothing when there are too many.
template <class Read>
bool read_list(RecordReader& in, Read read) {
  const std::uint64_t count = in.number();
  if (count > list_max) return false;
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) read();
  return in.ok();
}
bool read_texts(RecordReader& in, std::vector<std::string>& out) {
  return read_list(in, [&] { out.emplace_back(in.text()); });
}

template <class Value>
std::optional<Value> whole(const RecordReader& in, bool fits, Value value) {
  if (!fits || !in.ok() || !in.at_end()) return std::nullopt;
  return value;
}

}  // namespace

std::string encode_about(const DmarcAbout& about) {
  const reports::PublishedPolicy& p = about.published;
  RecordWriter out;
  out.octet(version).text(p.domain).text(p.discovery_method).text(p.policy).text(p.subdomain_policy).text(p.missing_policy);
  out.text(p.dkim_alignment).text(p.spf_alignment).text(p.failure_options).text(p.testing).number(p.percent.value_or(100));
  out.number(about.addresses.size());
  for (const auto& address : about.addresses) out.text(address.uri).number(address.octets_max.value_or(0));
  return out.take();
}

std::optional<DmarcAbout> decode_about(std::string_view text) {
  RecordReader in(text);
  if (in.octet() != version) return std::nullopt;
  DmarcAbout about;
  reports::PublishedPolicy& p = about.published;
  for (std::string* field : {&p.domain, &p.discovery_method, &p.policy, &p.subdomain_policy, &p.missing_policy, &p.dkim_alignment, &p.spf_alignment,
                             &p.failure_options, &p.testing})
    *field = in.text();
  p.percent = static_cast<unsigned>(std::min<std::uint64_t>(in.number(), 100));
  const bool fits = read_list(in, [&] {
    auto& address = about.addresses.emplace_back();
    address.uri = in.text();
    const std::uint64_t most = in.number();
    if (most > 0) address.octets_max = most;
  });
  return whole(in, fits, std::move(about));
}

std::string encode_content(const reports::AggregateRecord& record) {
  RecordWriter out;
  out.octet(version).text(record.source.to_string()).text(record.disposition).octet(record.dkim_aligned).octet(record.spf_aligned);
  out.number(record.reasons.size());
  for (const auto& reason : record.reasons) out.text(reason.type).text(cut(reason.comment));
  out.text(record.header_from).text(record.envelope_from).number(record.dkim.size());
  for (const auto& one : record.dkim) out.text(one.domain).text(cut(one.selector)).text(one.result).text(cut(one.human_result));
  out.number(record.spf.size());
  for (const auto& one : record.spf) out.text(one.domain).text(one.scope).text(one.result);
  return out.view().size() > limits::content_octets_max ? std::string() : out.take();
}

std::optional<reports::AggregateRecord> decode_dmarc_content(std::string_view text) {
  RecordReader in(text);
  if (in.octet() != version) return std::nullopt;
  reports::AggregateRecord record;
  const auto source = IpAddress::parse(in.text());
  if (!source) return std::nullopt;
  record.source = *source;
  record.disposition = in.text();
  record.dkim_aligned = in.octet() != 0;
  record.spf_aligned = in.octet() != 0;
  bool fits = read_list(in, [&] {
    auto& reason = record.reasons.emplace_back();
    reason.type = in.text(), reason.comment = in.text();
  });
  record.header_from = in.text();
  record.envelope_from = in.text();
  fits = fits && read_list(in, [&] {
    auto& one = record.dkim.emplace_back();
    one.domain = in.text(), one.selector = in.text(), one.result = in.text(), one.human_result = in.text();
  });
  fits = fits && read_list(in, [&] {
    auto& one = record.spf.emplace_back();
    one.domain = in.text(), one.scope = in.text(), one.result = in.text();
  });
  return whole(in, fits, std::move(record));
}

std::string encode_content(const TlsContent& content) {
  RecordWriter out;
  out.octet(version).text(content.policy_type);
  put_texts(out, content.strings);
  put_texts(out, content.hosts);
  out.text(content.result).text(content.sending_ip).text(cut(content.receiving_host)).text(content.receiving_ip).text(cut(content.reason));
  return out.view().size() > limits::content_octets_max ? std::string() : out.take();
}

std::optional<TlsContent> decode_tls_content(std::string_view text) {
  RecordReader in(text);
  if (in.octet() != version) return std::nullopt;
  TlsContent content;
  content.policy_type = in.text();
  const bool fits = read_texts(in, content.strings) && read_texts(in, content.hosts);
  for (std::string* field : {&content.result, &content.sending_ip, &content.receiving_host, &content.receiving_ip, &content.reason}) *field = in.text();
  return whole(in, fits, std::move(content));
}

std::string encode_count(std::uint64_t count, std::string_view content) {
  return RecordWriter().octet(version).number(count).text(content).take();
}

std::optional<CountRow> decode_count(std::string_view row) {
  RecordReader in(row);
  if (in.octet() != version) return std::nullopt;
  CountRow out;
  out.count = in.number();
  out.content = in.text();
  return whole(in, true, out);
}

std::string encode_info(const InfoRow& info) {
  RecordWriter out;
  const Sending& s = info.sending;
  out.octet(version).number(info.rows).number(info.lost).text(info.about).text(s.unique).number(number_of(s.begin)).number(number_of(s.end));
  out.number(number_of(s.begun)).number(number_of(s.next_attempt)).number(s.attempts);
  put_texts(out, s.done);
  return out.take();
}

std::optional<InfoRow> decode_info(std::string_view row) {
  RecordReader in(row);
  if (in.octet() != version) return std::nullopt;
  InfoRow info;
  info.rows = in.number();
  info.lost = in.number();
  info.about = in.text();
  Sending& s = info.sending;
  s.unique = in.text();
  for (WallTime* time : {&s.begin, &s.end, &s.begun, &s.next_attempt}) *time = read_time(in);
  s.attempts = static_cast<std::uint32_t>(std::min<std::uint64_t>(in.number(), UINT32_MAX));
  const bool fits = read_texts(in, s.done);
  return whole(in, fits, std::move(info));
}

std::string encode_day(const DayRow& day) { return RecordWriter().octet(version).number(day.reports).number(day.rows).take(); }

DayRow decode_day(std::optional<std::string_view> row) {
  if (!row) return {};
  RecordReader in(*row);
  if (in.octet() != version) return {};
  DayRow day;
  day.reports = in.number();
  day.rows = in.number();
  return in.ok() ? day : DayRow();
}

std::string encode_received(const Received& about, std::string_view document) {
  RecordWriter out;
  out.octet(version).octet(static_cast<std::uint8_t>(about.kind)).text(cut(about.from)).octet(about.verified).text(cut(about.organization));
  out.text(cut(about.domain)).text(cut(about.report_id)).number(number_of(about.begin)).number(number_of(about.end));
  return out.number(about.passed).number(about.failed).text(document).take();
}

std::optional<std::pair<Received, std::string_view>> decode_received(std::string_view row) {
  RecordReader in(row);
  if (in.octet() != version) return std::nullopt;
  Received about;
  const std::uint8_t kind = in.octet();
  if (kind > static_cast<std::uint8_t>(Kind::failure)) return std::nullopt;
  about.kind = Kind{kind};
  about.from = in.text();
  about.verified = in.octet() != 0;
  about.organization = in.text();
  about.domain = in.text();
  about.report_id = in.text();
  about.begin = read_time(in);
  about.end = read_time(in);
  about.passed = in.number();
  about.failed = in.number();
  const std::string_view document = in.text();
  return whole(in, true, std::pair(std::move(about), document));
}

std::string day_key(Kind kind, std::chrono::sys_days day) {
  std::string key = "n";
  key += static_cast<char>(kind);
  append_big_endian(key, static_cast<std::uint64_t>(std::max<std::int64_t>(day.time_since_epoch().count(), 0)), 4);
  return key;
}

std::string info_key(const DayOf& of) {
  std::string key = day_key(of.kind, of.day);
  key.front() = 'i';
  return key + of.domain;
}

std::optional<DayOf> read_info_key(std::string_view key) {
  constexpr std::size_t domain_place = 6;
  if (key.size() <= domain_place || key.front() != 'i' || static_cast<std::uint8_t>(key[1]) > static_cast<std::uint8_t>(Kind::tls)) return std::nullopt;
  DayOf of;
  of.kind = Kind{static_cast<std::uint8_t>(key[1])};
  of.day = std::chrono::sys_days(std::chrono::days(static_cast<std::int64_t>(read_big_endian(key.substr(2, 4)))));
  of.domain = key.substr(domain_place);
  return of;
}

std::string count_prefix(const DayOf& of) {
  std::string key = info_key(of);
  key.front() = 'c';
  return key + '\0';
}

std::string count_key(const DayOf& of, std::string_view content) {
  return count_prefix(of) + crypto::digest(crypto::Hash::sha256, content).substr(0, digest_octets);
}

}  // namespace keystonemail::reporting
