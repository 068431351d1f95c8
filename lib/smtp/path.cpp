// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/smtp/path.hpp"

#include <algorithm>

#include "base/try.hpp"
#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/smtp/limits.hpp"

namespace keystonemail::smtp {
namespace {

bool take(std::string_view& rest, char c) noexcept {
  if (rest.empty() || rest.front() != c) return false;
  rest.remove_prefix(1);
  return true;
}

bool is_non_ascii(char c) noexcept { return static_cast<unsigned char>(c) >= 0x80; }
bool is_alnum(char c) noexcept { return is_digit(c) || is_alpha(c); }

// RFC 5322 §3.2.3 atext; RFC 6531 §3.3 adds UTF8-non-ascii.
bool is_atext(char c) noexcept {
  return is_alnum(c) || is_non_ascii(c) || (c != '\0' && std::string_view("!#$%&'*+-/=?^_`{|}~").contains(c));
}

// RFC 5321 §4.1.2  Dot-string = Atom *("." Atom)
bool take_dot_string(std::string_view& rest, std::string& local) {
  std::size_t end = 0;
  bool after_dot = true;
  for (; end < rest.size(); ++end) {
    const char c = rest[end];
    if (c == '.' ? after_dot : !is_atext(c)) break;
    after_dot = c == '.';
  }
  if (after_dot) return false;
  local.assign(rest.substr(0, end));
  rest.remove_prefix(end);
  return true;
}

// RFC 5321 §4.1.2  Quoted-string = DQUOTE *QcontentSMTP DQUOTE; no control character, quoted or not.
bool take_quoted_string(std::string_view& rest, std::string& local) {
  if (!take(rest, '"')) return false;
  while (!rest.empty()) {
    if (take(rest, '"')) return true;
    if (take(rest, '\\') && (rest.empty() || is_non_ascii(rest.front()))) return false;
    const auto octet = static_cast<unsigned char>(rest.front());
    if (octet < 0x20 || octet == 0x7f) return false;
    local += rest.front();
    rest.remove_prefix(1);
  }
  return false;
}

// The end of what may be a domain or a literal; the caller judges what is in it.
std::string_view take_domain_text(std::string_view& rest) {
  const std::size_t end =
      rest.starts_with('[') ? std::min(rest.find(']'), rest.size() - 1) + 1 : rest.find_first_of("<>@,: ");
  const std::string_view domain = rest.substr(0, end);
  rest.remove_prefix(domain.size());
  return domain;
}

bool is_mail_domain(std::string_view text) noexcept { return is_domain(text) || is_address_literal(text); }

// RFC 5321 §4.1.2  A-d-l = At-domain *( "," At-domain ); Appendix C: read and ignored.
bool skip_source_route(std::string_view& rest) {
  if (!rest.starts_with('@')) return true;
  do {
    if (!take(rest, '@') || !is_mail_domain(take_domain_text(rest))) return false;
  } while (take(rest, ','));
  return take(rest, ':');
}

// RFC 5321 §4.1.2  Mailbox = Local-part "@" ( Domain / address-literal )
bool take_mailbox(std::string_view& rest, Path& path, PathKind kind) {
  const std::size_t before = rest.size();
  const bool quoted = rest.starts_with('"');
  if (!(quoted ? take_quoted_string(rest, path.local) : take_dot_string(rest, path.local))) return false;
  if (before - rest.size() > limits::local_part_octets_max) return false;
  path.quoted_empty = quoted && path.local.empty();
  if (!take(rest, '@')) return kind == PathKind::forward && iequals(path.local, "postmaster") && rest.starts_with('>');
  path.domain.assign(take_domain_text(rest));
  return is_mail_domain(path.domain) && before - rest.size() + 2 <= limits::path_octets_max;
}

bool is_label(std::string_view label) noexcept {
  // LENIENT: "_" is not let-dig, but senders' domains in the wild have it and the DNS carries it (RFC 2181 §11).
  const auto allowed = [](char c) { return is_alnum(c) || is_non_ascii(c) || c == '-' || c == '_'; };
  return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
         std::ranges::all_of(label, allowed);
}

}  // namespace

// RFC 5321 §4.1.2  Path = "<" [ A-d-l ":" ] Mailbox ">"
std::expected<Path, PeerFault> parse_path(std::string_view& rest, PathKind kind) {
  const PeerFault fault = kind == PathKind::reverse ? PeerFault::bad_sender : PeerFault::bad_recipient;
  Path path;
  if (!take(rest, '<')) return std::unexpected(fault);
  if (kind == PathKind::reverse && take(rest, '>')) return path;
  const std::string_view start = rest;
  if (!skip_source_route(rest) || !take_mailbox(rest, path, kind)) return std::unexpected(fault);
  if (!take(rest, '>')) return std::unexpected(fault);
  if (!is_utf8(start.substr(0, start.size() - rest.size()))) return std::unexpected(PeerFault::not_utf8);
  return path;
}

std::expected<Path, PeerFault> parse_mailbox(std::string_view text) {
  if (!is_utf8(text)) return std::unexpected(PeerFault::not_utf8);
  Path path;
  if (!take_mailbox(text, path, PathKind::reverse) || !text.empty()) return std::unexpected(PeerFault::bad_recipient);
  return path;
}

// RFC 5321 §4.1.2  Domain = sub-domain *("." sub-domain)
bool is_domain(std::string_view text) noexcept {
  if (text.empty() || text.size() > limits::domain_octets_max) return false;
  for (std::size_t dot = 0; dot != std::string_view::npos;) {
    dot = text.find('.');
    if (!is_label(text.substr(0, dot))) return false;
    if (dot != std::string_view::npos) text.remove_prefix(dot + 1);
  }
  return true;
}

// RFC 5321 §4.1.3. A General-address-literal has no registered tag and is not taken.
bool is_address_literal(std::string_view text) noexcept {
  if (text.size() < 3 || text.front() != '[' || text.back() != ']') return false;
  std::string_view address = text.substr(1, text.size() - 2);
  const bool tagged = istarts_with(address, "IPv6:");
  if (tagged) address.remove_prefix(5);
  return tagged == address.contains(':') && IpAddress::parse(address).has_value();
}

std::string Path::to_string() const {
  if (is_null()) return {};
  std::string_view rest = local;
  std::string atoms;
  std::string out;
  if (take_dot_string(rest, atoms) && rest.empty()) {
    out = local;
  } else {
    out += '"';
    for (const char c : local) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    out += '"';
  }
  if (!domain.empty()) out += '@' + domain;
  return out;
}

bool Path::is_ascii() const noexcept { return keystonemail::is_ascii(local) && keystonemail::is_ascii(domain); }

}  // namespace keystonemail::smtp
