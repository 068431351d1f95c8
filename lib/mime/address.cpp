// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mime/address.hpp"

#include <algorithm>

#include "codec/nfc.hpp"
#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/idna.hpp"

namespace keystonemail::mime {
namespace {

constexpr std::size_t local_part_octets_max = 64;  // RFC 5321 §4.5.3.1.1
constexpr std::size_t address_octets_max = 254;    // RFC 5321 §4.5.3.1.3, without the brackets of a path

bool is_utf8_octet(char c) { return static_cast<unsigned char>(c) >= 0x80; }  // RFC 6531 §3.3; checked as a whole
bool is_control(char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }
bool is_atext(char c) {  // RFC 5322 §3.2.3
  return is_alpha(c) || is_digit(c) || is_utf8_octet(c) || std::string_view("!#$%&'*+-/=?^_`{|}~").find(c) != std::string_view::npos;
}

// RFC 5321 §4.1.2  Dot-string = Atom *("." Atom)
bool is_dot_string(std::string_view text) {
  bool after_atom = false;
  for (const char c : text) {
    if (c == '.' ? !after_atom : !is_atext(c)) return false;
    after_atom = c != '.';
  }
  return after_atom;
}

// Quoted-string = DQUOTE *(qtextSMTP / quoted-pairSMTP) DQUOTE; takes it from `rest`.
std::optional<std::string> take_quoted_string(std::string_view& rest) {
  std::string out;
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] == '"') {
      rest.remove_prefix(i + 1);
      return out;
    }
    if (rest[i] == '\\' && (++i == rest.size() || is_utf8_octet(rest[i]))) return std::nullopt;
    if (is_control(rest[i])) return std::nullopt;
    out.push_back(rest[i]);
  }
  return std::nullopt;
}

// Domain or address-literal (§4.1.3; only IPv4 and IPv6 are defined), in the one form that is compared.
std::optional<std::string> canonical_domain(std::string_view domain) {
  if (!domain.starts_with('[')) {
    if (domain.ends_with('.')) return std::nullopt;
    return codec::to_ascii_domain(domain);
  }
  if (!domain.ends_with(']')) return std::nullopt;
  domain = domain.substr(1, domain.size() - 2);
  const bool v6 = istarts_with(domain, "IPv6:");
  if (v6) domain.remove_prefix(5);
  if (v6 != (domain.find(':') != std::string_view::npos)) return std::nullopt;
  const auto address = IpAddress::parse(domain);
  if (!address) return std::nullopt;
  return address->literal();
}

}  // namespace

std::optional<Address> Address::parse(std::string_view mailbox) {
  if (mailbox.size() > address_octets_max) return std::nullopt;
  std::string_view rest = mailbox;
  if (rest.starts_with('"')) {
    const auto local_part = take_quoted_string(rest);
    if (!local_part || !rest.starts_with('@')) return std::nullopt;
    return make(*local_part, rest.substr(1));
  }
  const std::size_t at = rest.find('@');
  if (at == std::string_view::npos || !is_dot_string(rest.substr(0, at))) return std::nullopt;
  return make(rest.substr(0, at), rest.substr(at + 1));
}

std::optional<Address> Address::make(std::string_view local_part, std::string_view domain) {
  if (local_part.empty() || local_part.size() > local_part_octets_max) return std::nullopt;
  if (std::ranges::any_of(local_part, is_control) || !is_utf8(local_part)) return std::nullopt;
  auto canonical = canonical_domain(domain);
  if (!canonical) return std::nullopt;
  Address address(std::string(local_part), *std::move(canonical));
  if (address.to_string().size() > address_octets_max) return std::nullopt;
  return address;
}

bool Address::needs_smtputf8() const noexcept { return !is_ascii(local_part_); }

std::string Address::to_string() const { return quote_local_part(local_part_) + '@' + domain_; }

std::string Address::to_display() const {
  return quote_local_part(local_part_) + '@' + codec::to_unicode_domain(domain_);
}

std::string Address::key() const { return quote_local_part(codec::to_lower_nfc(local_part_).value_or(local_part_)) + '@' + domain_; }

std::string quote_local_part(std::string_view local_part) {
  if (is_dot_string(local_part)) return std::string(local_part);
  std::string out = "\"";
  for (const char c : local_part) {
    if (c == '"' || c == '\\') out.push_back('\\');
    out.push_back(c);
  }
  return out += '"';
}

}  // namespace keystonemail::mime
