// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/dsn/report.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/format.hpp"
#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/mime/builder.hpp"
#include "keystonemail/mime/date.hpp"

namespace keystonemail::dsn {

namespace {

// One line of printable text; without `utf8`, of ASCII.
std::string printable(std::string_view text, bool utf8) {
  std::string out;
  const bool keep = utf8 && is_utf8(text);
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (c == '\n') out += ' ';
    else out += octet < 0x20 || octet == 0x7f || (octet >= 0x80 && !keep) ? '?' : c;
  }
  return out;
}

// Code points outside ASCII as "\x{HEX}" (RFC 6533 §3, utf-8-addr-xtext).
std::string ascii_address(std::string_view address) {
  std::string out;
  while (!address.empty()) {
    const auto point = decode_utf8(address);
    const std::size_t octets = point ? point->octets : 1;
    if (point && octets > 1) out += format("\\x{{{:X}}}", static_cast<std::uint32_t>(point->value));
    else out += printable(address.substr(0, 1), false);
    address.remove_prefix(octets);
  }
  return out;
}

// RFC 3464 §2.3.2, RFC 6533 §3: "rfc822; a@example" or "utf-8; ...".
std::string typed_address(std::string_view address, bool internationalized) {
  if (is_ascii(address)) return "rfc822; " + printable(address, false);
  return "utf-8; " + (internationalized ? printable(address, true) : ascii_address(address));
}

std::string original_address(std::string_view original, bool internationalized) {
  const std::size_t semicolon = std::min(original.find(';'), original.size());
  const std::string_view type = original.substr(0, semicolon);
  const std::string_view address = original.substr(std::min(semicolon + 1, original.size()));
  if (!is_ascii(address)) return typed_address(address, internationalized);
  return printable(type, false) + "; " + printable(address, false);
}

// RFC 3464 §2.3.5, RFC 5321 §4.1.3: a host without a name is a domain literal.
std::string host_name(std::string_view host) {
  const auto address = IpAddress::parse(host);
  return address ? address->literal() : printable(host, false);
}

// So much of it as a line has room for, in whole characters.
std::string_view cut(std::string_view diagnostic) {
  if (diagnostic.size() <= limits::diagnostic_octets_max) return diagnostic;
  std::size_t end = limits::diagnostic_octets_max;
  while (end > 0 && (static_cast<unsigned char>(diagnostic[end]) & 0xc0) == 0x80) --end;
  return diagnostic.substr(0, end);
}

std::string_view word(Action action) noexcept {
  switch (action) {
    case Action::failed: return "failed";
    case Action::delayed: return "delayed";
    case Action::delivered: return "delivered";
    case Action::relayed: return "relayed";
    case Action::expanded: return "expanded";
  }
  __builtin_unreachable();
}

std::string date(WallTime when) { return mime::format_date({when, {}}); }

Action worst(const Report& report) {
  return std::ranges::min(report.recipients, {}, &RecipientStatus::action).action;
}

std::string_view subject(Action action) noexcept {
  switch (action) {
    case Action::failed: return "Undelivered mail returned to its sender";
    case Action::delayed: return "Mail is delayed, and still being tried";
    case Action::delivered:
    case Action::relayed:
    case Action::expanded: return "Mail was delivered";
  }
  __builtin_unreachable();
}

std::string_view explanation(Action action) noexcept {
  switch (action) {
    case Action::failed: return "Your message could not be delivered to the recipients below. It will not be tried again.";
    case Action::delayed:
      return "Your message has not been delivered to the recipients below yet.\r\n"
             "It is still being tried: you need not send it again.";
    case Action::delivered: return "Your message is in the mailboxes of the recipients below.";
    case Action::relayed:
      return "Your message was handed to the mail servers of the recipients below, which do not\r\n"
             "tell when it is delivered.";
    case Action::expanded:
      return "Your message went on to everybody behind the addresses below. You will hear only\r\n"
             "of those whom it does not reach.";
  }
  __builtin_unreachable();
}

// For people (RFC 6522 §3, the first part).
std::string text_for_people(const Report& report) {
  std::string out = format("This is the mail server {}.\r\n", report.reporting_host);
  for (const Action action : {Action::failed, Action::delayed, Action::delivered, Action::relayed, Action::expanded}) {
    bool first = true;
    for (const RecipientStatus& recipient : report.recipients) {
      if (recipient.action != action) continue;
      if (std::exchange(first, false)) out.append("\r\n").append(explanation(action)).append("\r\n");
      const bool utf8 = report.internationalized;
      out += format("\r\n<{}>", utf8 ? printable(recipient.recipient, true) : ascii_address(recipient.recipient));
      if (!recipient.remote_host.empty()) out += format(": {} said", printable(recipient.remote_host, false));
      const std::string_view diagnostic = cut(recipient.diagnostic);
      out += format(":\r\n    {}\r\n", printable(diagnostic, utf8));
      if (recipient.retried_until) out += format("    It will be tried until {}.\r\n", date(*recipient.retried_until));
    }
  }
  return out;
}

// RFC 3464 §2.2
std::string fields_of_message(const Report& report) {
  std::string out;
  if (!report.envelope_id.empty()) mime::append_folded_field(out, "Original-Envelope-Id", printable(report.envelope_id, false));
  mime::append_folded_field(out, "Reporting-MTA", "dns; " + report.reporting_host);
  mime::append_folded_field(out, "Arrival-Date", date(report.arrived));
  return out;
}

// RFC 3464 §2.3
std::string fields_of_recipient(const Report& report, const RecipientStatus& recipient) {
  const bool utf8 = report.internationalized;
  std::string out;
  if (!recipient.original_recipient.empty()) {
    mime::append_folded_field(out, "Original-Recipient", original_address(recipient.original_recipient, utf8));
  }
  mime::append_folded_field(out, "Final-Recipient", typed_address(recipient.recipient, utf8));
  mime::append_folded_field(out, "Action", word(recipient.action));
  mime::append_folded_field(out, "Status", recipient.status);
  // Only what a server said is a diagnostic of type smtp (§2.3.6).
  if (!recipient.remote_host.empty()) {
    mime::append_folded_field(out, "Remote-MTA", "dns; " + host_name(recipient.remote_host));
    const std::string_view diagnostic = cut(recipient.diagnostic);
    if (!diagnostic.empty()) mime::append_folded_field(out, "Diagnostic-Code", "smtp; " + printable(diagnostic, utf8));
  }
  if (recipient.last_attempt) mime::append_folded_field(out, "Last-Attempt-Date", date(*recipient.last_attempt));
  if (recipient.retried_until) mime::append_folded_field(out, "Will-Retry-Until", date(*recipient.retried_until));
  return out;
}

// The third part: message/rfc822, text/rfc822-headers, or their kin for UTF-8 (RFC 6533 §4, §6).
std::string_view type_of_original(const Report& report) noexcept {
  const bool global = report.internationalized && !is_ascii(report.original);
  if (report.returned == Return::whole) return global ? "message/global" : "message/rfc822";
  return global ? "message/global-headers" : "text/rfc822-headers";
}

void append_part(std::string& out, std::string_view boundary, std::string_view type, std::string_view body) {
  out.append("--").append(boundary).append("\r\nContent-Type: ").append(type).append("\r\n");
  if (!is_ascii(body)) out += "Content-Transfer-Encoding: 8bit\r\n";
  out.append("\r\n").append(body).append("\r\n");  // this line end is the delimiter's
}

}  // namespace

std::string build_report(const Report& report) {
  assert(!report.recipients.empty());
  assert(!report.sender.empty());
  const bool utf8 = report.internationalized;
  const std::string boundary = "report-" + report.unique;
  const std::string_view status_type = utf8 ? "message/global-delivery-status" : "message/delivery-status";
  std::string status = fields_of_message(report);
  for (const RecipientStatus& recipient : report.recipients) status += "\r\n" + fields_of_recipient(report, recipient);
  const std::string text = text_for_people(report);

  std::string out = "Date: " + date(report.now) + "\r\n";
  mime::append_folded_field(out, "From", "Mail Delivery System <mailer-daemon@" + report.reporting_host + ">");
  mime::append_folded_field(out, "To", "<" + (utf8 ? printable(report.sender, true) : ascii_address(report.sender)) + ">");
  mime::append_folded_field(out, "Subject", subject(worst(report)));
  mime::append_folded_field(out, "Message-ID", "<" + report.unique + "@" + report.reporting_host + ">");
  if (!report.original_message_id.empty()) {
    mime::append_folded_field(out, "References", printable(report.original_message_id, false));
  }
  out += "Auto-Submitted: auto-replied\r\n";  // RFC 3834 §5
  out += "MIME-Version: 1.0\r\n";
  out += format("Content-Type: multipart/report; report-type={};\r\n\tboundary=\"{}\"\r\n",
                utf8 ? "global-delivery-status" : "delivery-status", boundary);
  const bool eight_bit = !is_ascii(text) || !is_ascii(status) || !is_ascii(report.original);
  if (eight_bit) out += "Content-Transfer-Encoding: 8bit\r\n";
  out += "\r\n";
  append_part(out, boundary, "text/plain; charset=utf-8", text);
  append_part(out, boundary, status_type, status);
  append_part(out, boundary, type_of_original(report), report.original);
  out.append("--").append(boundary).append("--\r\n");
  return out;
}

}  // namespace keystonemail::dsn
