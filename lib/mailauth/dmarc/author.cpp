// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/dmarc/author.hpp"

#include <algorithm>
#include <optional>
#include <string>

#include "keystonemail/base/text.hpp"
#include "keystonemail/mime/address_list.hpp"
#include "keystonemail/mime/header.hpp"

namespace keystonemail::mailauth::dmarc {
namespace {

// A line that is no field, but that a lenient reader takes for a From: blanks before its name.
bool looks_like_from(std::string_view line) {
  line = trim(line);
  if (!istarts_with(line, "from")) return false;
  return trim(line.substr(4)).starts_with(':');
}

bool has_control_character(std::string_view value) {
  for (std::size_t i = 0; i < value.size(); ++i) {
    const auto octet = static_cast<unsigned char>(value[i]);
    if (octet >= 0x20 && octet != 0x7f) continue;
    const bool is_fold = octet == '\t' || octet == '\n' || (octet == '\r' && i + 1 < value.size() && value[i + 1] == '\n');
    if (!is_fold) return true;
  }
  return false;
}

// Whether the domain stands right behind an "@" as it was read, with nothing in or upon it that the parser left out.
bool is_plain(std::string_view value, std::string_view domain) {
  const std::string needle = "@" + std::string(domain);
  for (std::size_t at = value.find(needle); at != std::string_view::npos; at = value.find(needle, at + 1)) {
    const std::size_t end = at + needle.size();
    constexpr std::string_view may_follow = " \t\r\n>,;";
    if (end == value.size() || may_follow.find(value[end]) != std::string_view::npos) return true;
  }
  return false;
}

bool is_encoded_word(std::string_view text) { return text.find("=?") != std::string_view::npos && text.find("?=") != std::string_view::npos; }

std::optional<AuthorFault> fault_of(const mime::ListedAddress& mailbox, std::string_view value) {
  if (!mailbox.route.empty()) return AuthorFault::source_route;
  if (is_encoded_word(mailbox.local_part) || is_encoded_word(mailbox.domain)) return AuthorFault::encoded_word;
  if (mailbox.local_part.empty() && mailbox.domain.empty()) return AuthorFault::no_mailbox;
  if (!dns::Name::from_domain(mailbox.domain)) return AuthorFault::invalid_domain;
  if (!is_plain(value, mailbox.domain)) return AuthorFault::hidden_text;
  return std::nullopt;
}

std::expected<Author, AuthorFault> read_author(std::string_view value) {
  if (has_control_character(value)) return std::unexpected(AuthorFault::control_character);
  std::optional<Author> out;
  for (const auto& entry : mime::parse_address_list(value)) {
    if (entry.kind != mime::AddressKind::mailbox) continue;
    if (const auto fault = fault_of(entry, value)) return std::unexpected(*fault);
    auto domain = *dns::Name::from_domain(entry.domain);
    if (out && out->domain != domain) return std::unexpected(AuthorFault::several_domains);
    if (!out) out = Author{entry.local_part + "@" + entry.domain, std::move(domain)};
  }
  if (!out) return std::unexpected(AuthorFault::no_mailbox);
  return *std::move(out);
}

}  // namespace

std::string_view to_string(AuthorFault fault) noexcept {
  switch (fault) {
    case AuthorFault::missing: return "the message has no From field";
    case AuthorFault::repeated: return "the message has more than one From field";
    case AuthorFault::malformed_field: return "the name of the From field is malformed";
    case AuthorFault::control_character: return "the From field has control characters";
    case AuthorFault::no_mailbox: return "the From field has no address";
    case AuthorFault::several_domains: return "the From field has addresses of several domains";
    case AuthorFault::source_route: return "the From field has a source route";
    case AuthorFault::hidden_text: return "the From field has text inside its address";
    case AuthorFault::encoded_word: return "the From field has an encoded word in its address";
    case AuthorFault::invalid_domain: return "the From field has no domain name";
  }
  return "";
}

std::expected<Author, AuthorFault> find_author(std::string_view header) {
  std::optional<std::string_view> value;
  mime::HeaderReader reader(header);
  while (const auto field = reader.next()) {
    if (field->name.empty() && looks_like_from(field->raw)) return std::unexpected(AuthorFault::malformed_field);
    if (field->id != mime::FieldName::from) continue;
    const std::size_t colon = field->raw.find(':');
    if (field->raw.substr(0, colon).size() != field->name.size()) return std::unexpected(AuthorFault::malformed_field);
    if (value) return std::unexpected(AuthorFault::repeated);
    value = field->value;
  }
  if (!value) return std::unexpected(AuthorFault::missing);
  return read_author(*value);
}

}  // namespace keystonemail::mailauth::dmarc
