// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The encodings of FORMAT.md. Private to the module. Reading is total: what cannot be read is nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "keystonemail/mailauth/dmarc/record.hpp"
#include "keystonemail/service/relay/tls_observer.hpp"
#include "keystonemail/service/reports/report_store.hpp"

namespace keystonemail::reporting {

inline constexpr std::size_t kept_text_octets_max = 200;  // of what strangers chose; longer ones are cut

// Once for a DMARC report.
struct DmarcAbout {
  reports::PublishedPolicy published;
  std::vector<mailauth::dmarc::ReportAddress> addresses;
  friend bool operator==(const DmarcAbout& a, const DmarcAbout& b) { return a.published == b.published && a.addresses.size() == b.addresses.size(); }
};
[[nodiscard]] std::string encode_about(const DmarcAbout& about);
[[nodiscard]] std::optional<DmarcAbout> decode_about(std::string_view text);

// Without its count. Empty when it is larger than a row may be.
[[nodiscard]] std::string encode_content(const reports::AggregateRecord& record);
[[nodiscard]] std::optional<reports::AggregateRecord> decode_dmarc_content(std::string_view text);

// What of a session counts.
struct TlsContent {
  std::string policy_type;
  std::vector<std::string> strings, hosts;
  std::string result;                  // "success" or RFC 8460's word
  std::string sending_ip, receiving_host, receiving_ip, reason;
  friend bool operator==(const TlsContent&, const TlsContent&) = default;
};
[[nodiscard]] std::string encode_content(const TlsContent& content);
[[nodiscard]] std::optional<TlsContent> decode_tls_content(std::string_view text);

struct CountRow {
  std::uint64_t count = 0;
  std::string_view content;            // of the text given
};
[[nodiscard]] std::string encode_count(std::uint64_t count, std::string_view content);
[[nodiscard]] std::optional<CountRow> decode_count(std::string_view row);

struct InfoRow {
  std::uint64_t rows = 0, lost = 0;
  std::string about;
  Sending sending;
};
[[nodiscard]] std::string encode_info(const InfoRow& info);
[[nodiscard]] std::optional<InfoRow> decode_info(std::string_view row);

struct DayRow {
  std::uint64_t reports = 0;
  std::uint64_t rows = 0;              // of what came in (Kind::failure): octets of those that nobody vouches for
};
[[nodiscard]] std::string encode_day(const DayRow& day);
[[nodiscard]] DayRow decode_day(std::optional<std::string_view> row);

[[nodiscard]] std::string encode_received(const Received& about, std::string_view document);
[[nodiscard]] std::optional<std::pair<Received, std::string_view>> decode_received(std::string_view row);

[[nodiscard]] std::string count_key(const DayOf& of, std::string_view content);
[[nodiscard]] std::string count_prefix(const DayOf& of);
[[nodiscard]] std::string info_key(const DayOf& of);
[[nodiscard]] std::optional<DayOf> read_info_key(std::string_view key);
[[nodiscard]] std::string day_key(Kind kind, std::chrono::sys_days day);

}  // namespace keystonemail::reporting
