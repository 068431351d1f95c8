// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/imap/response_code.hpp"

#include <cassert>

#include "imap/wire.hpp"

namespace keystonemail::imap {
namespace {

// RFC 9051 §7.1; TOOBIG RFC 7889 §5; NOMODSEQ RFC 7162; USEATTR RFC 6154; COMPRESSIONACTIVE RFC 4978.
std::string_view name_of(Code code) noexcept {
  switch (code) {
    case Code::alert: return "ALERT";
    case Code::parse: return "PARSE";
    case Code::read_only: return "READ-ONLY";
    case Code::read_write: return "READ-WRITE";
    case Code::try_create: return "TRYCREATE";
    case Code::uid_not_sticky: return "UIDNOTSTICKY";
    case Code::unavailable: return "UNAVAILABLE";
    case Code::authentication_failed: return "AUTHENTICATIONFAILED";
    case Code::authorization_failed: return "AUTHORIZATIONFAILED";
    case Code::expired: return "EXPIRED";
    case Code::privacy_required: return "PRIVACYREQUIRED";
    case Code::contact_admin: return "CONTACTADMIN";
    case Code::no_permission: return "NOPERM";
    case Code::in_use: return "INUSE";
    case Code::expunge_issued: return "EXPUNGEISSUED";
    case Code::corruption: return "CORRUPTION";
    case Code::server_bug: return "SERVERBUG";
    case Code::client_bug: return "CLIENTBUG";
    case Code::cannot: return "CANNOT";
    case Code::limit: return "LIMIT";
    case Code::over_quota: return "OVERQUOTA";
    case Code::already_exists: return "ALREADYEXISTS";
    case Code::nonexistent: return "NONEXISTENT";
    case Code::not_saved: return "NOTSAVED";
    case Code::has_children: return "HASCHILDREN";
    case Code::closed: return "CLOSED";
    case Code::unknown_cte: return "UNKNOWN-CTE";
    case Code::too_big: return "TOOBIG";
    case Code::no_modseq: return "NOMODSEQ";
    case Code::use_attribute: return "USEATTR";
    case Code::compression_active: return "COMPRESSIONACTIVE";
  }
  return {};
}

std::string numbered(std::string_view name, std::unsigned_integral auto number) {
  std::string text(name);
  append_number(text, number);
  return text;
}

// The numbers in their order, runs that ascend by one as ranges.
template <class Projection>
void append_in_order(std::string& out, std::span<const std::pair<std::uint32_t, std::uint32_t>> pairs, Projection of) {
  for (std::size_t i = 0; i < pairs.size();) {
    std::size_t last = i;
    while (last + 1 < pairs.size() && pairs[last + 1].*of == pairs[last].*of + 1) ++last;
    if (i > 0) out += ',';
    append_number(out, pairs[i].*of);
    if (last > i) {
      out += ':';
      append_number(out, pairs[last].*of);
    }
    i = last + 1;
  }
}

}  // namespace

ResponseCode::ResponseCode(Code code) : text_(name_of(code)) {}

ResponseCode ResponseCode::uid_next(std::uint32_t uid) { return ResponseCode(numbered("UIDNEXT ", uid)); }
ResponseCode ResponseCode::uid_validity(std::uint32_t value) { return ResponseCode(numbered("UIDVALIDITY ", value)); }
ResponseCode ResponseCode::unseen(std::uint32_t number) { return ResponseCode(numbered("UNSEEN ", number)); }
ResponseCode ResponseCode::highest_modseq(std::uint64_t modseq) { return ResponseCode(numbered("HIGHESTMODSEQ ", modseq)); }

ResponseCode ResponseCode::permanent_flags(FlagView flags, bool keywords_allowed) {
  std::string text = "PERMANENTFLAGS (";
  const auto begin = text.size();
  append_flags(text, flags, Features{.imap4rev2 = true});  // \Recent is never permanent
  if (keywords_allowed) text += text.size() > begin ? " \\*" : "\\*";
  return ResponseCode(text + ')');
}

ResponseCode ResponseCode::modified(std::span<const NumberRange> numbers) {
  assert(!numbers.empty());
  std::string text = "MODIFIED ";
  append_ranges(text, numbers);
  return ResponseCode(std::move(text));
}

ResponseCode ResponseCode::append_uid(std::uint32_t validity, std::span<const NumberRange> uids) {
  assert(!uids.empty());
  std::string text = numbered("APPENDUID ", validity);
  text += ' ';
  append_ranges(text, uids);
  return ResponseCode(std::move(text));
}

ResponseCode ResponseCode::copy_uid(std::uint32_t validity, std::span<const std::pair<std::uint32_t, std::uint32_t>> uids) {
  assert(!uids.empty());
  using Pair = std::pair<std::uint32_t, std::uint32_t>;
  std::string text = numbered("COPYUID ", validity);
  text += ' ';
  append_in_order(text, uids, &Pair::first);
  text += ' ';
  append_in_order(text, uids, &Pair::second);
  return ResponseCode(std::move(text));
}

ResponseCode ResponseCode::mailbox_id(std::string_view id) {
  return ResponseCode("MAILBOXID (" + std::string(id) + ')');
}

ResponseCode ResponseCode::bad_charset(std::initializer_list<std::string_view> known) {
  std::string text = "BADCHARSET";
  std::string_view separator = " (";
  for (const auto charset : known) {
    text.append(separator).append(charset);
    separator = " ";
  }
  if (known.size() > 0) text += ')';
  return ResponseCode(std::move(text));
}

}  // namespace keystonemail::imap
