// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <algorithm>
#include <array>
#include <span>

#include "keystonemail/base/text.hpp"
#include "keystonemail/crypto/digest.hpp"
#include "keystonemail/mime/header.hpp"
#include "keystonemail/reports/failure_report.hpp"

namespace keystonemail::reports {
namespace {

constexpr std::size_t word_octets = 16;

// As they are: they are the author's domain's own, or were signed.
constexpr std::array<std::string_view, 14> kept{
    "from", "sender", "date", "message-id", "dkim-signature", "mime-version", "content-type", "content-transfer-encoding",
    "list-id", "list-unsubscribe", "list-unsubscribe-post", "arc-seal", "arc-message-signature", "feedback-id"};
// The way it took, with the addresses in it redacted.
constexpr std::array<std::string_view, 11> shortened{"received", "return-path", "authentication-results", "arc-authentication-results",
                                                     "received-spf", "to", "cc", "reply-to", "resent-from", "resent-to", "resent-sender"};

bool is_local_part(char c) {
  return is_alpha(c) || is_digit(c) || static_cast<unsigned char>(c) >= 0x80 || std::string_view("!#$%&'*+-/=?^_`{|}~.").find(c) != std::string_view::npos;
}

std::string redacted_word(std::string_view local_part, std::string_view key) {
  return "redacted-" + crypto::to_hex(crypto::hmac(crypto::Hash::sha256, key, to_lower(local_part))).substr(0, word_octets);
}

// Every local part in it: words before "@", and quoted ones.
std::string without_local_parts(std::string_view text, std::string_view key) {
  std::string out;
  for (std::size_t at = text.find('@'); at != std::string_view::npos; at = text.find('@')) {
    std::size_t begin = at;
    if (at > 0 && text[at - 1] == '"') {
      begin = at >= 2 ? text.rfind('"', at - 2) : std::string_view::npos;
      if (begin == std::string_view::npos) begin = at;
    } else {
      while (begin > 0 && is_local_part(text[begin - 1])) --begin;
    }
    out.append(text.substr(0, begin));
    if (begin < at) out += redacted_word(text.substr(begin, at - begin), key);
    out += '@';
    text.remove_prefix(at + 1);
  }
  return out.append(text);
}

// Without names and comments, which say as much as the local part.
std::string addresses_alone(std::string_view value, std::string_view key) {
  std::string out;
  std::string_view text = value;
  while (!text.empty()) {
    const std::size_t at = text.find('@');
    if (at == std::string_view::npos) break;
    std::size_t begin = at, end = at + 1;
    while (begin > 0 && is_local_part(text[begin - 1])) --begin;
    while (end < text.size() && (is_local_part(text[end]) || text[end] == '[' || text[end] == ']' || text[end] == ':')) ++end;
    if (!out.empty()) out += ", ";
    out += redacted_word(text.substr(begin, at - begin), key);
    out.append(text.substr(at, end - at));
    text.remove_prefix(end);
  }
  return out.empty() ? "redacted" : out;
}

bool is_among(std::span<const std::string_view> names, std::string_view name) { return std::ranges::find(names, name) != names.end(); }

}  // namespace

std::string redact_address(std::string_view address, std::string_view key) {
  const std::size_t at = address.rfind('@');
  if (at == std::string_view::npos || at == 0) return std::string(address);
  return redacted_word(address.substr(0, at), key) + std::string(address.substr(at));
}

std::string redact_header(std::string_view header, std::string_view key) {
  std::string out;
  mime::HeaderReader reader(header);
  while (const auto field = reader.next()) {
    if (field->name.empty()) continue;
    const std::string name = to_lower(field->name);
    if (is_among(kept, name)) {
      out.append(field->raw);
      if (!field->raw.ends_with('\n')) out += "\r\n";
    } else if (name == "to" || name == "cc" || name == "reply-to") {
      out.append(field->name).append(": ").append(addresses_alone(field->value, key)).append("\r\n");
    } else if (is_among(shortened, name)) {
      out.append(field->name).append(":").append(without_local_parts(field->value, key)).append("\r\n");
    } else {
      out.append(field->name).append(": redacted\r\n");
    }
  }
  return out;
}

}  // namespace keystonemail::reports
