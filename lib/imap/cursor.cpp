// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "imap/cursor.hpp"

#include <array>
#include <cassert>
#include <optional>

#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/modified_utf7.hpp"
#include "keystonemail/imap/limits.hpp"
#include "keystonemail/mime/date.hpp"

namespace keystonemail::imap {
namespace {

enum Class : std::uint8_t { atom_class = 1, astring_class = 2, list_class = 4, word_class = 8, tag_class = 16 };

// RFC 9051 §9: ATOM-CHAR, ASTRING-CHAR, list-char, tag.
constexpr std::array<std::uint8_t, 256> make_classes() {
  std::array<std::uint8_t, 256> classes{};
  for (unsigned c = 0x21; c < 0x7f; ++c) {
    const bool special = c == '(' || c == ')' || c == '{' || c == '"' || c == '\\';
    const bool wildcard = c == '%' || c == '*';
    std::uint8_t bits = 0;
    if (!special && !wildcard && c != ']') bits |= atom_class;
    if (!special && !wildcard) bits |= astring_class;
    if (!special) bits |= list_class;
    if (!special && !wildcard && c != '+') bits |= tag_class;
    if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' || c == '.' || c == '_') {
      bits |= word_class;
    }
    classes[c] = bits;
  }
  return classes;
}
constexpr auto classes = make_classes();

bool is(char c, Class wanted) noexcept { return (classes[static_cast<unsigned char>(c)] & wanted) != 0; }

std::string_view run(std::string_view text, Class wanted) noexcept {
  std::size_t n = 0;
  while (n < text.size() && is(text[n], wanted)) ++n;
  return text.substr(0, n);
}

}  // namespace

bool is_atom_char(char c) noexcept { return is(c, atom_class); }

MarkKind find_literal_mark(std::string_view line, LiteralMark& mark) noexcept {
  if (!line.ends_with('}')) return MarkKind::none;
  std::size_t at = line.size() - 1;
  mark = {};
  if (at > 0 && line[at - 1] == '+') {
    mark.synchronizing = false;
    --at;
  }
  const std::size_t digits_end = at;
  while (at > 0 && is_digit(line[at - 1])) --at;
  if (at == digits_end || at == 0 || line[at - 1] != '{') return MarkKind::none;
  const auto octets = parse_decimal(line.substr(at, digits_end - at), INT64_MAX);
  mark.begin = at - 1;
  if (mark.begin > 0 && line[mark.begin - 1] == '~') {
    mark.binary = true;
    --mark.begin;
  }
  if (!octets) return MarkKind::malformed;
  mark.octets = *octets;
  return MarkKind::literal;
}

Parsed<void> Cursor::expect(char c, Fault fault) noexcept {
  if (!take(c)) return std::unexpected(fault);
  return {};
}

Parsed<void> Cursor::end() const noexcept {
  if (!at_end()) return std::unexpected(Fault::expected_end);
  return {};
}

std::string_view Cursor::word() noexcept {
  const auto found = run(rest(), word_class);
  at_ += found.size();
  return found;
}

bool Cursor::take_word(std::string_view wanted) noexcept {
  const auto found = run(rest(), word_class);
  if (!iequals(found, wanted)) return false;
  at_ += found.size();
  return true;
}

Parsed<std::string_view> Cursor::tag() noexcept {
  const auto found = run(rest(), tag_class);
  if (found.empty() || found.size() > limits::tag_octets_max) return std::unexpected(Fault::bad_tag);
  at_ += found.size();
  return found;
}

Parsed<std::string_view> Cursor::atom() noexcept {
  const auto found = run(rest(), atom_class);
  if (found.empty()) return std::unexpected(Fault::expected_atom);
  at_ += found.size();
  return found;
}

Parsed<std::uint64_t> Cursor::digits(std::uint64_t limit) noexcept {
  if (!is_digit(peek())) return std::unexpected(Fault::expected_number);
  std::uint64_t value = 0;
  for (; is_digit(peek()); ++at_) {
    const auto digit = static_cast<std::uint64_t>(peek() - '0');
    if (value > (limit - digit) / 10) return std::unexpected(Fault::number_too_large);
    value = value * 10 + digit;
  }
  return value;
}

Parsed<std::uint32_t> Cursor::number() noexcept {
  KM_TRY(const auto value, digits(UINT32_MAX));
  return static_cast<std::uint32_t>(value);
}

Parsed<std::uint32_t> Cursor::nonzero_number() noexcept {
  if (peek() == '0') return std::unexpected(Fault::expected_nonzero_number);
  return number();
}

Parsed<std::uint64_t> Cursor::number64() noexcept { return digits(INT64_MAX); }

Parsed<std::uint64_t> Cursor::nonzero_number64() noexcept {
  if (peek() == '0') return std::unexpected(Fault::expected_nonzero_number);
  return digits(INT64_MAX);
}

// quoted = DQUOTE *QUOTED-CHAR DQUOTE; octets above 127 as UTF-8, which IMAP4rev2 has to accept (RFC 9051 §4.3) and LOGIN of
// clients that have enabled nothing yet brings; NUL, CR and LF never (attack B3).
Parsed<std::string> Cursor::quoted() {
  assert(peek() == '"');
  std::string value;
  bool eight_bit = false;
  for (std::size_t i = at_ + 1, begin = i; i < text_.size(); ++i) {
    const char c = text_[i];
    if (c == '"' || c == '\\') {
      value.append(text_, begin, i - begin);
      if (c == '"') {
        at_ = i + 1;
        if (eight_bit && !is_utf8(value)) return std::unexpected(Fault::not_utf8);
        return value;
      }
      if (++i == text_.size() || (text_[i] != '"' && text_[i] != '\\')) return std::unexpected(Fault::bad_quoted);
      begin = i;
    } else if (c == '\0') {
      return std::unexpected(Fault::null_octet);
    } else if (c == '\r' || c == '\n') {
      return std::unexpected(Fault::bad_quoted);
    } else if (static_cast<unsigned char>(c) > 127) {
      eight_bit = true;
    }
  }
  return std::unexpected(Fault::bad_quoted);
}

// literal = "{" number64 ["+"] "}" CRLF *CHAR8
Parsed<std::string> Cursor::literal() {
  if (peek() == '~') return std::unexpected(Fault::literal8_not_here);
  const auto line_end = text_.find("\r\n", at_);
  LiteralMark mark;
  const auto line = text_.substr(at_, line_end == std::string_view::npos ? line_end : line_end - at_);
  if (find_literal_mark(line, mark) != MarkKind::literal || mark.begin != 0) return std::unexpected(Fault::bad_literal);
  if (line_end == std::string_view::npos) return std::unexpected(Fault::incomplete);
  const auto body = text_.substr(line_end + 2);
  if (body.size() < mark.octets) return std::unexpected(Fault::incomplete);
  const auto octets = body.substr(0, static_cast<std::size_t>(mark.octets));
  if (octets.find('\0') != std::string_view::npos) return std::unexpected(Fault::null_octet);
  at_ = line_end + 2 + octets.size();
  return std::string(octets);
}

Parsed<std::string> Cursor::string() {
  if (peek() == '"') return quoted();
  if (peek() == '{' || peek() == '~') return literal();
  return std::unexpected(Fault::expected_string);
}

Parsed<std::string> Cursor::astring() {
  const auto found = run(rest(), astring_class);
  // "~" may begin an atom; "~{" cannot, and is a literal8.
  if (found.empty() || (found == "~" && rest().starts_with("~{"))) return string();
  at_ += found.size();
  return std::string(found);
}

Parsed<std::string> Cursor::decode_mailbox(std::string name) const {
  if (name.size() == 5 && iequals(name, "INBOX")) return std::string("INBOX");
  if (features_.utf8()) {
    if (!is_utf8(name)) return std::unexpected(Fault::not_utf8);
    return name;
  }
  if (is_ascii(name) && name.find('&') == std::string::npos) return name;
  // RFC 3501 §5.1.3: a name that is not modified UTF-7, or not in its one form, names nothing.
  auto decoded = codec::decode_modified_utf7(name);
  if (!decoded) return std::unexpected(Fault::bad_mailbox_name);
  return *std::move(decoded);
}

Parsed<std::string> Cursor::mailbox() {
  KM_TRY(auto name, astring());
  return decode_mailbox(std::move(name));
}

Parsed<std::string> Cursor::list_mailbox() {
  const auto found = run(rest(), list_class);
  if (found.empty() || (found == "~" && rest().starts_with("~{"))) {
    KM_TRY(auto name, string());
    return decode_mailbox(std::move(name));
  }
  at_ += found.size();
  return decode_mailbox(std::string(found));
}

Parsed<std::uint32_t> Cursor::sequence_number() noexcept {
  if (take('*')) return largest_number;
  auto value = nonzero_number();
  if (!value && value.error() != Fault::number_too_large) return std::unexpected(Fault::bad_sequence_set);
  return value;
}

Parsed<SequenceSet> Cursor::sequence_set() {
  SequenceSet set;
  if (take('$')) {  // RFC 5182 §2.1
    set.saved_result = true;
    return set;
  }
  do {
    if (set.ranges.size() == limits::sequence_ranges_max) return std::unexpected(Fault::sequence_set_too_long);
    NumberRange range;
    KM_TRY(range.first, sequence_number());
    range.last = range.first;
    if (take(':')) { KM_TRY(range.last, sequence_number()); }
    set.ranges.push_back(range);
  } while (take(','));
  return set;
}

// flag = "\Answered" / ... / flag-keyword / flag-extension. What is not in PERMANENTFLAGS, as "\Recent" and other "\" flags
// that clients copy from elsewhere, is ignored (RFC 9051 §7.1).
Parsed<void> Cursor::flag(FlagSet& into) {
  if (take('\\')) {
    const auto name = atom();
    if (!name) return std::unexpected(Fault::bad_flag);
    if (iequals(*name, "Seen")) into.set(SystemFlag::seen);
    else if (iequals(*name, "Answered")) into.set(SystemFlag::answered);
    else if (iequals(*name, "Flagged")) into.set(SystemFlag::flagged);
    else if (iequals(*name, "Draft")) into.set(SystemFlag::draft);
    else if (iequals(*name, "Deleted")) into.set(SystemFlag::deleted);
    return {};
  }
  const auto keyword = atom();
  if (!keyword) return std::unexpected(Fault::bad_flag);
  for (const auto& known : into.keywords) {
    if (iequals(known, *keyword)) return {};
  }
  if (into.keywords.size() == limits::flags_max) return std::unexpected(Fault::too_many_flags);
  into.keywords.emplace_back(*keyword);
  return {};
}

Parsed<FlagSet> Cursor::flag_list() {
  FlagSet flags;
  KM_CHECK(open());
  if (take(')')) return flags;
  do {
    KM_CHECK(flag(flags));
  } while (take(' '));
  KM_CHECK(close());
  return flags;
}

// date = date-text / DQUOTE date-text DQUOTE
Parsed<std::chrono::sys_days> Cursor::date() {
  const bool is_quoted = take('"');
  const auto day = mime::parse_imap_date(word());
  if (!day || (is_quoted && !take('"'))) return std::unexpected(Fault::bad_date);
  return *day;
}

}  // namespace keystonemail::imap
