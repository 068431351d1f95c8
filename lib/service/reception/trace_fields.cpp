// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/reception/trace_fields.hpp"

#include <chrono>

#include "keystonemail/base/text.hpp"
#include "keystonemail/mime/address.hpp"
#include "keystonemail/mime/date.hpp"

namespace keystonemail::reception {
namespace {

// A token for a trace field: what could end the line, the comment or the clause becomes "?".
std::string safe(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet <= ' ' || octet == 0x7f || c == '(' || c == ')' || c == ';' || c == '\\') c = '?';
  }
  return out;
}

}  // namespace

std::string traced_recipient(std::string_view address) {
  if (is_ascii(address)) return std::string(address);
  const auto parsed = mime::Address::parse(address);
  std::string text = parsed ? parsed->to_string() : std::string();
  return is_ascii(text) ? text : std::string();
}

// RFC 5321 §4.4: Time-stamp-line
std::string received_field(const ReceivedFacts& facts) {
  std::string out = "Received: from ";
  out.append(facts.hello_name.empty() ? "unknown" : safe(facts.hello_name));
  out.append(" (").append(facts.peer_literal).append(")\r\n\tby ").append(facts.hostname);
  out.append(" with ").append(facts.protocol).append(" id ").append(facts.id);
  if (!facts.tls.empty()) out.append("\r\n\t(").append(facts.tls).append(")");
  if (!facts.recipient.empty()) out.append("\r\n\tfor <").append(safe(facts.recipient)).append(">");
  out.append("; ").append(mime::format_date({facts.time, std::chrono::minutes(0)})).append("\r\n");
  return out;
}

std::string return_path_field(std::string_view sender) { return "Return-Path: <" + safe(sender) + ">\r\n"; }

std::string delivered_to_field(std::string_view address) { return "Delivered-To: " + safe(address) + "\r\n"; }

}  // namespace keystonemail::reception
