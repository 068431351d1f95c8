// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/reports/report_mail.hpp"

#include <algorithm>
#include <cassert>

#include "base/format.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/base64.hpp"
#include "keystonemail/dns/name.hpp"
#include "keystonemail/mime/address.hpp"
#include "keystonemail/mime/builder.hpp"
#include "keystonemail/mime/date.hpp"
#include "reports/plain.hpp"

namespace keystonemail::reports {
namespace {

constexpr codec::Base64Layout base64_layout{76, codec::Base64Layout::LineEnd::crlf, 1};

std::string date(WallTime when) { return mime::format_date({when, {}}); }

// "begin to end", for people.
std::string span(WallTime begin, WallTime end) { return date(begin) + " to " + date(end); }

std::string with_time(std::string_view submitter, std::string_view domain, WallTime begin, WallTime end) {
  return format("{}!{}!{}!{}", submitter, domain, seconds_of(begin), seconds_of(end));
}

// The id, where it is one that a file name may have.
std::string unique_id(std::string_view report_id) {
  const std::string_view left = report_id.substr(0, report_id.find('@'));
  const bool fits = !left.empty() && std::ranges::all_of(left, [](char c) { return is_alpha(c) || is_digit(c); });
  return fits ? "!" + std::string(left) : std::string();
}

struct Part {
  std::string_view type;        // with its parameters
  std::string_view file;        // empty: no attachment, and not encoded
  std::string_view octets;
};

class Mail {
 public:
  Mail(const Cover& cover, std::string_view subject, std::string_view of) : boundary_("=_report-" + cover.unique) {
    field("Date", date(cover.now));
    field("From", std::string(of) + " <" + cover.from + ">");
    field("To", "<" + cover.to + ">");
    field("Subject", subject);
    field("Message-ID", "<" + cover.unique + "@" + std::string(domain_of(cover.from)) + ">");
    field("Auto-Submitted", "auto-generated");  // RFC 3834 §5
  }
  Mail& field(std::string_view name, std::string_view value) {
    mime::append_folded_field(out_, name, value);
    return *this;
  }
  // The header is complete.
  Mail& multipart(std::string_view subtype) {
    out_ += "MIME-Version: 1.0\r\n";
    out_ += format("Content-Type: multipart/{};\r\n\tboundary=\"{}\"\r\n\r\n", subtype, boundary_);
    return *this;
  }
  Mail& part(const Part& part) {
    out_ += format("--{}\r\nContent-Type: {}\r\n", boundary_, part.type);
    if (part.file.empty()) {
      if (!is_ascii(part.octets)) out_ += "Content-Transfer-Encoding: 8bit\r\n";
      out_.append("\r\n").append(part.octets);
    } else {
      out_ += "Content-Transfer-Encoding: base64\r\n";
      out_ += format("Content-Disposition: attachment;\r\n\tfilename=\"{}\"\r\n\r\n", part.file);
      out_ += codec::encode_base64(part.octets, base64_layout);
    }
    out_ += "\r\n";
    return *this;
  }
  std::string take() { return std::move(out_) + "--" + boundary_ + "--\r\n"; }

 private:
  std::string out_;
  std::string boundary_;
};

constexpr std::string_view text_type = "text/plain; charset=utf-8";

std::string subject_of(std::string_view domain, std::string_view submitter, std::string_view id) {
  return format("Report Domain: {} Submitter: {} Report-ID: <{}>", domain, submitter, id);
}

// RFC 3986 §2.1
std::optional<std::string> decode_percent(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    constexpr std::string_view digits = "0123456789abcdef";
    if (text.size() - i < 3) return std::nullopt;
    const std::size_t high = digits.find(to_lower(text[i + 1])), low = digits.find(to_lower(text[i + 2]));
    if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

}  // namespace

std::string_view domain_of(std::string_view address) noexcept {
  const std::size_t at = address.rfind('@');
  assert(at != std::string_view::npos);
  return address.substr(at + 1);
}

// RFC 9990 §3.5.2, RFC 7489 §7.2.1.1
std::string file_name(const AggregateReport& report, std::string_view submitter) {
  return with_time(submitter, report.published.domain, report.begin, report.end) + unique_id(report.report_id) + ".xml.gz";
}

// RFC 8460 §5.1
std::string file_name(const TlsReport& report, std::string_view submitter, std::string_view domain) {
  return with_time(submitter, domain, report.begin, report.end) + unique_id(report.report_id) + ".json.gz";
}

std::string aggregate_mail(const AggregateReport& report, std::string_view archive, const Cover& cover) {
  const std::string_view submitter = domain_of(cover.from);
  const std::string text = format(
      "This is a DMARC aggregate report from {} for {}:\r\n"
      "mail that said it came from there, from {},\r\n"
      "and whether SPF and DKIM vouched for it. The attachment is for programs.\r\n",
      submitter, report.published.domain, span(report.begin, report.end));
  Mail mail(cover, subject_of(report.published.domain, submitter, report.report_id), "DMARC reports");
  mail.multipart("mixed").part({.type = text_type, .file = {}, .octets = text});
  const std::string file = file_name(report, submitter);
  return mail.part({.type = "application/gzip", .file = file, .octets = archive}).take();
}

std::string tls_mail(const TlsReport& report, std::string_view domain, std::string_view archive, const Cover& cover) {
  const std::string_view submitter = domain_of(cover.from);
  const std::string text = format(
      "This is an aggregate TLS report from {} for {}:\r\n"
      "how the encryption of mail to there turned out, from {}.\r\n"
      "The attachment is for programs.\r\n",
      submitter, domain, span(report.begin, report.end));
  Mail mail(cover, subject_of(domain, submitter, report.report_id), "TLS reports");
  mail.field("TLS-Report-Domain", domain).field("TLS-Report-Submitter", submitter);
  // RFC 8460 §3: it must get there although TLS fails, which RFC 8689 §5 has a field for.
  mail.field("TLS-Required", "No");
  mail.multipart("report; report-type=\"tlsrpt\"").part({.type = text_type, .file = {}, .octets = text});
  const std::string file = file_name(report, submitter, domain);
  return mail.part({.type = "application/tlsrpt+gzip", .file = file, .octets = archive}).take();
}

std::string failure_mail(const FailureReport& report, const Cover& cover) {
  const std::string source = report.source ? report.source->to_string() : "an unknown address";
  const std::string text = format(
      "This is an authentication failure report for a message that said it came from\r\n{}, received from {}{}.\r\n", report.domain, source,
      report.arrived ? " on " + date(*report.arrived) : std::string());
  const std::string fields = write_feedback_fields(report);
  Mail mail(cover, "Authentication failure report for " + report.domain, "Failure reports");
  mail.multipart("report; report-type=feedback-report");
  mail.part({.type = text_type, .file = {}, .octets = text}).part({.type = "message/feedback-report", .file = {}, .octets = fields});
  return mail.part({.type = "text/rfc822-headers", .file = {}, .octets = report.header}).take();
}

// RFC 7489 §7.2.2
std::string size_mail(const AggregateReport& report, std::uint64_t octets, std::string_view uris, const Cover& cover) {
  const std::string_view submitter = domain_of(cover.from);
  std::string fields;
  mime::append_folded_field(fields, "Report-Date", date(cover.now));
  mime::append_folded_field(fields, "Report-Domain", report.published.domain);
  mime::append_folded_field(fields, "Report-ID", report.report_id);
  mime::append_folded_field(fields, "Report-Size", std::to_string(octets));
  mime::append_folded_field(fields, "Submitter", submitter);
  mime::append_folded_field(fields, "Submitting-URI", plain(uris));
  const std::string text = "A DMARC report was made, but it is larger than each address that asked for it takes.\r\n";
  Mail mail(cover, subject_of(report.published.domain, submitter, report.report_id), "DMARC reports");
  mail.multipart("mixed").part({.type = text_type, .file = {}, .octets = fields});
  return mail.part({.type = text_type, .file = {}, .octets = text}).take();
}

std::optional<Destination> parse_destination(std::string_view uri) {
  constexpr std::string_view mailto = "mailto:", https = "https://";
  Destination out;
  if (istarts_with(uri, mailto)) {
    const auto text = decode_percent(uri.substr(mailto.size(), uri.find('?') == std::string_view::npos ? uri.npos : uri.find('?') - mailto.size()));
    const auto address = text ? mime::Address::parse(*text) : std::nullopt;
    if (!address || address->has_address_literal() || address->needs_smtputf8()) return std::nullopt;
    out.address = address->to_string();
    out.host = address->domain();
    return out;
  }
  if (!istarts_with(uri, https)) return std::nullopt;
  const std::string_view behind = uri.substr(https.size());
  std::string_view host = behind.substr(0, behind.find_first_of("/?#"));
  if (const std::size_t colon = host.rfind(':'); colon != std::string_view::npos) {
    if (!parse_decimal(host.substr(colon + 1), 65'535)) return std::nullopt;
    host = host.substr(0, colon);
  }
  const auto name = dns::Name::from_domain(host);
  if (!name || name->is_root() || !std::ranges::all_of(uri, [](char c) { return c > 0x20 && c < 0x7f; })) return std::nullopt;
  out.scheme = Destination::Scheme::https;
  out.url = uri;
  out.host = name->text();
  return out;
}

}  // namespace keystonemail::reports
