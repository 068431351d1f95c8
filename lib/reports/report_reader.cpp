// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/reports/report_reader.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "keystonemail/codec/archive.hpp"
#include "keystonemail/mime/message.hpp"
#include "keystonemail/mime/section.hpp"
#include "keystonemail/reports/limits.hpp"
#include "reports/plain.hpp"

namespace keystonemail::reports {
namespace {

constexpr std::string_view utf8_mark = "\xef\xbb\xbf";

// One reading: what is left of the limits for all that it finds.
class Reading {
 public:
  // `level`: archives around it.
  void take(std::string_view octets, std::size_t level) {
    if (octets.empty() || files_++ >= limits::documents_max) return;
    if (octets.size() > limits::document_octets_max) return problem(Error(ErrorKind::too_large, "a file is too large for a report"));
    if (codec::is_gzip(octets)) return unpack_gzip(octets, level);
    if (codec::is_zip(octets)) return unpack_zip(octets, level);
    if (octets.starts_with(utf8_mark)) octets.remove_prefix(utf8_mark.size());
    const std::string_view text = trim(octets);  // LENIENT: blanks before the XML declaration occur
    const bool is_utf16 = octets.starts_with("\xff\xfe") || octets.starts_with("\xfe\xff");
    if (text.starts_with('<') || is_utf16) add(out_.aggregates, read_aggregate(is_utf16 ? octets : text));
    else if (text.starts_with('{')) add(out_.tls, read_tls_report(text));
  }
  void take_failure(std::string_view fields, std::string_view header) {
    auto report = read_feedback_fields(fields, header);
    if (report && out_.failures.size() < limits::documents_max) out_.failures.push_back(*std::move(report));
  }
  [[nodiscard]] Reports finish() { return std::move(out_); }

 private:
  template <class Report>
  void add(std::vector<Report>& all, Result<Report> report) {
    if (report) all.push_back(*std::move(report));
    else problem(report.error());
  }
  void problem(const Error& error) { out_.problems.push_back(plain(error.describe())); }
  bool is_too_deep(std::size_t level) {
    if (level < limits::archive_levels_max) return false;
    problem(Error(ErrorKind::too_large, "an archive within an archive, and so on"));
    return true;
  }
  // One that holds too much has cost as much as all may.
  void give_up(const Error& error) {
    if (error.kind() == ErrorKind::too_large) octets_left_ = 0;
    problem(error);
  }
  // What came out counts against all that may.
  void spend(std::size_t octets) { octets_left_ -= std::min(octets, octets_left_); }

  void unpack_gzip(std::string_view octets, std::size_t level) {
    if (is_too_deep(level)) return;
    const auto out = codec::gunzip(octets, octets_left_);
    if (!out) return give_up(out.error());
    spend(out->size());
    take(*out, level + 1);
  }
  void unpack_zip(std::string_view octets, std::size_t level) {
    if (is_too_deep(level)) return;
    const auto out = codec::unzip(octets, octets_left_);
    if (!out) return give_up(out.error());
    for (const auto& file : *out) spend(file.octets.size());
    for (const auto& file : *out) take(file.octets, level + 1);
  }

  Reports out_;
  std::size_t octets_left_ = limits::document_octets_max;
  std::size_t files_ = 0;
};

}  // namespace

Reports read_file(std::string_view octets) {
  Reading reading;
  reading.take(octets, 0);
  return reading.finish();
}

Reports read_message(std::string_view message) {
  Reading reading;
  const auto parsed = mime::Message::parse(message);
  const auto parts = parsed.parts();
  const std::size_t count = std::min(parts.size(), limits::parts_max);
  for (std::size_t i = 0; i < count; ++i) {
    const mime::Part& part = parts[i];
    const mime::ContentType type = parsed.content_type(part);
    if (type.is("message/feedback-report")) {
      // The message, or its header, is the part behind it (RFC 6522 §3).
      const bool has_header = i + 1 < parts.size() && parts[i + 1].parent == part.parent;
      const std::string header = has_header ? mime::decode_content(parts[i + 1].encoding, parsed.body(parts[i + 1])) : std::string();
      reading.take_failure(mime::decode_content(part.encoding, parsed.body(part)), std::string_view(header).substr(0, mime::header_octets(header)));
      continue;
    }
    if (part.kind != mime::PartKind::leaf || part.body_octets() > limits::document_octets_max * 2) continue;
    if (type.is("text/rfc822-headers")) continue;
    const std::string octets = mime::decode_content(part.encoding, parsed.body(part));
    if (type.type == "text" && type.subtype != "xml" && !std::string_view(octets).starts_with("<?xml")) continue;  // for people
    reading.take(octets, 0);
  }
  return reading.finish();
}

}  // namespace keystonemail::reports
