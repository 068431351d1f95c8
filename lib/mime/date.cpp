// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mime/date.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>

#include "keystonemail/base/text.hpp"
#include "mime/scanner.hpp"

namespace keystonemail::mime {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using std::chrono::sys_days;

constexpr std::string_view month_names = "JanFebMarAprMayJunJulAugSepOctNovDec";
constexpr std::string_view day_names = "SunMonTueWedThuFriSat";
constexpr auto word_ends = CharacterSet("(),").with_controls_and_blank();
constexpr std::size_t tokens_max = 32;

struct Zone {
  std::string_view name;
  int hours;
};
// RFC 5322 §4.3, and the summer and winter names mail from Europe and Asia carries. Military letters were defined the
// wrong way round and mean nothing.
constexpr std::array zones = {Zone{"UT", 0},   Zone{"GMT", 0},  Zone{"UTC", 0},  Zone{"Z", 0},   Zone{"EST", -5},
                              Zone{"EDT", -4}, Zone{"CST", -6}, Zone{"CDT", -5}, Zone{"MST", -7}, Zone{"MDT", -6},
                              Zone{"PST", -8}, Zone{"PDT", -7}, Zone{"WET", 0},  Zone{"WEST", 1}, Zone{"BST", 1},
                              Zone{"CET", 1},  Zone{"MET", 1},  Zone{"CEST", 2}, Zone{"MEST", 2}, Zone{"EET", 2},
                              Zone{"EEST", 3}, Zone{"MSK", 3},  Zone{"JST", 9},  Zone{"KST", 9}};

// 1 to 12 by the first three letters; 0 for what is no month. Full names are seen too.
unsigned month_of(std::string_view word) {
  if (word.size() < 3) return 0;
  for (std::size_t i = 0; i < 12; ++i)
    if (iequals(word.substr(0, 3), month_names.substr(i * 3, 3))) return static_cast<unsigned>(i + 1);
  return 0;
}

struct DateParts {
  std::optional<int> year;
  std::optional<unsigned> month, day;
  std::optional<seconds> clock;
  minutes offset{0};
};

std::optional<WallTime> to_utc(const DateParts& parts) {
  if (!parts.year || !parts.month || !parts.day || *parts.year < 1900 || *parts.year > 9999) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*parts.year), std::chrono::month(*parts.month),
                                         std::chrono::day(*parts.day)};
  if (!date.ok()) return std::nullopt;
  return WallTime(sys_days(date) + parts.clock.value_or(seconds(0)) - parts.offset);
}

std::optional<ZonedTime> to_zoned(const DateParts& parts) {
  const auto time = to_utc(parts);
  if (!time) return std::nullopt;
  return ZonedTime{*time, parts.offset};
}

// RFC 5322 §4.3: two and three digits.
std::optional<int> parse_year(std::string_view digits) {
  const auto value = parse_decimal(digits, 9999);
  if (!value || digits.size() < 2) return std::nullopt;
  const int year = static_cast<int>(*value);
  if (digits.size() == 2) return year < 50 ? 2000 + year : 1900 + year;
  if (digits.size() == 3) return 1900 + year;
  return year;
}

// hh:mm[:ss[.fraction]]; "24:00" and leap seconds are seen.
std::optional<seconds> parse_clock(std::string_view text) {
  std::array<std::uint64_t, 3> fields{};
  text = text.substr(0, text.find_first_of(".,"));
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const std::size_t colon = text.find(':');
    const auto value = parse_decimal(text.substr(0, colon), 60);
    if (!value) return std::nullopt;
    fields[i] = *value;
    if (colon == std::string_view::npos) {
      if (i == 0 || fields[0] > 24 || fields[1] > 59) return std::nullopt;
      return std::chrono::hours(fields[0]) + minutes(fields[1]) + seconds(fields[2]);
    }
    text.remove_prefix(colon + 1);
  }
  return std::nullopt;
}

// "+hhmm", "-hh:mm", "+hh".
std::optional<minutes> parse_offset(std::string_view text) {
  if (text.size() < 3 || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  std::string digits;
  for (const char c : text.substr(1))
    if (c != ':') digits.push_back(c);
  if (digits.size() == 2) digits += "00";
  if (digits.size() == 3) digits.insert(0, 1, '0');
  const auto value = parse_decimal(digits, 2359);
  if (!value || digits.size() != 4 || *value % 100 > 59) return std::nullopt;
  const minutes east = std::chrono::hours(*value / 100) + minutes(*value % 100);
  return text[0] == '-' ? -east : east;
}

// LENIENT: "2024-02-29T10:00:00Z" and the same with a blank, written by scripts.
bool take_iso_date(std::string_view& word, DateParts& parts) {
  if (word.size() < 10 || (word[4] != '-' && word[4] != '/') || word[7] != word[4]) return false;
  const auto year = parse_decimal(word.substr(0, 4), 9999);
  const auto month = parse_decimal(word.substr(5, 2), 12);
  const auto day = parse_decimal(word.substr(8, 2), 31);
  if (!year || !month || !day || parts.day) return false;
  parts.year = static_cast<int>(*year);
  parts.month = static_cast<unsigned>(*month);
  parts.day = static_cast<unsigned>(*day);
  word.remove_prefix(10);
  if (word.starts_with('T') || word.starts_with('t')) word.remove_prefix(1);
  return true;
}

void take_number(std::string_view word, DateParts& parts) {
  if (!parts.day && word.size() <= 2) {
    if (const auto day = parse_decimal(word, 31)) parts.day = static_cast<unsigned>(*day);
  } else if (!parts.year) {
    parts.year = parse_year(word);
  }
}

void take_zone(std::string_view word, DateParts& parts) {
  const auto found = std::ranges::find_if(zones, [&](const Zone& zone) { return iequals(zone.name, word); });
  if (found != zones.end()) parts.offset = std::chrono::hours(found->hours);
}

// A clock and what hangs on it: "10:00:00Z", "10:00:00+02:00".
void take_clock(std::string_view word, DateParts& parts) {
  const std::size_t zone = word.find_first_of("+-Zz");
  if (!parts.clock) parts.clock = parse_clock(word.substr(0, zone));
  if (zone != std::string_view::npos)
    if (const auto offset = parse_offset(word.substr(zone))) parts.offset = *offset;
}

void take_word(std::string_view word, DateParts& parts) {
  if (is_digit(word.front()) && take_iso_date(word, parts) && word.empty()) return;
  if (word.front() == '+' || word.front() == '-') {
    if (const auto offset = parse_offset(word)) parts.offset = *offset;
  } else if (is_digit(word.front())) {
    if (word.find(':') != std::string_view::npos) return take_clock(word, parts);
    const std::size_t dash = word.find('-');  // LENIENT: 17-Jul-1996, as RFC 850 had it
    take_number(word.substr(0, dash), parts);
    if (dash == std::string_view::npos) return;
    word.remove_prefix(dash + 1);
    const std::size_t second = word.find('-');
    if (second == std::string_view::npos || parts.month) return;
    if (const unsigned month = month_of(word.substr(0, second))) parts.month = month;
    take_number(word.substr(second + 1), parts);
  } else if (const unsigned month = month_of(word); month != 0 && !parts.month) {
    parts.month = month;
  } else if (const std::size_t sign = word.find_first_of("+-"); sign != std::string_view::npos) {
    if (const auto offset = parse_offset(word.substr(sign))) parts.offset = *offset;  // "GMT+0200"
  } else {
    take_zone(word, parts);
  }
}

void append_digits(std::string& out, unsigned value, unsigned width) {
  char digits[10];
  for (unsigned i = width; i > 0; --i, value /= 10) digits[i - 1] = static_cast<char>('0' + value % 10);
  out.append(digits, width);
}

struct LocalParts {
  std::chrono::year_month_day date;
  unsigned weekday;
  unsigned second_of_day;
};

LocalParts local_parts(const ZonedTime& when) {
  const auto local = std::chrono::floor<seconds>(when.time) + when.offset;
  const auto day = std::chrono::floor<std::chrono::days>(local);
  return {std::chrono::year_month_day(day), std::chrono::weekday(day).c_encoding(),
          static_cast<unsigned>((local - day).count())};
}

// " hh:mm:ss +hhmm"
void append_clock_and_zone(std::string& out, unsigned second_of_day, minutes offset) {
  out.push_back(' ');
  append_digits(out, second_of_day / 3600, 2);
  out.push_back(':');
  append_digits(out, second_of_day / 60 % 60, 2);
  out.push_back(':');
  append_digits(out, second_of_day % 60, 2);
  out += offset.count() < 0 ? " -" : " +";
  const auto east = static_cast<unsigned>(std::abs(offset.count()));
  append_digits(out, east / 60, 2);
  append_digits(out, east % 60, 2);
}

void append_date(std::string& out, const std::chrono::year_month_day& date, char separator) {
  append_digits(out, static_cast<unsigned>(date.day()), 2);
  out.push_back(separator);
  out += month_names.substr((static_cast<unsigned>(date.month()) - 1) * 3, 3);
  out.push_back(separator);
  append_digits(out, static_cast<unsigned>(static_cast<int>(date.year())), 4);
}

// RFC 9051 §9: date-day "-" date-month "-" date-year, strictly.
bool take_imap_date(std::string_view text, DateParts& parts) {
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos || text.size() != dash + 9 || text[dash + 4] != '-') return false;
  std::string_view day = text.substr(0, dash);
  if (day.size() == 2 && day[0] == ' ') day.remove_prefix(1);
  const auto number = day.size() <= 2 ? parse_decimal(day, 31) : std::nullopt;
  const auto year = parse_decimal(text.substr(dash + 5), 9999);
  parts.month = month_of(text.substr(dash + 1, 3));
  if (!number || !year || *parts.month == 0) return false;
  parts.day = static_cast<unsigned>(*number);
  parts.year = static_cast<int>(*year);
  return true;
}

}  // namespace

std::optional<ZonedTime> parse_date(std::string_view value) {
  Scanner scanner(value);
  DateParts parts;
  std::string word;
  for (std::size_t count = 0; count < tokens_max; ++count) {
    scanner.skip_cfws();
    while (scanner.take(',')) scanner.skip_cfws();
    const auto piece = scanner.take_until(word_ends);
    if (piece.empty() && !scanner.at_end()) return std::nullopt;
    // RFC 5322 §4.3: a clock may have blanks and comments in it.
    if (!piece.empty() && (piece.front() == ':' || word.ends_with(':'))) {
      word += piece;
      continue;
    }
    if (!word.empty()) take_word(word, parts);
    word = piece;
    if (piece.empty()) break;
  }
  return to_zoned(parts);
}

std::string format_date(const ZonedTime& when) {
  const LocalParts local = local_parts(when);
  std::string out(day_names.substr(local.weekday * std::size_t{3}, 3));
  out += ", ";
  append_date(out, local.date, ' ');
  append_clock_and_zone(out, local.second_of_day, when.offset);
  return out;
}

std::optional<ZonedTime> parse_internal_date(std::string_view text) {
  DateParts parts;
  if (text.size() < 25 || text.size() > 26) return std::nullopt;
  const std::size_t date_octets = text.size() - 15;
  if (!take_imap_date(text.substr(0, date_octets), parts)) return std::nullopt;
  text.remove_prefix(date_octets);
  if (text[0] != ' ' || text[9] != ' ' || text[3] != ':' || text[6] != ':') return std::nullopt;
  parts.clock = parse_clock(text.substr(1, 8));
  const auto offset = parse_offset(text.substr(10));
  if (!parts.clock || !offset) return std::nullopt;
  parts.offset = *offset;
  return to_zoned(parts);
}

void append_internal_date(std::string& out, const ZonedTime& when) {
  const LocalParts local = local_parts(when);
  append_date(out, local.date, '-');
  append_clock_and_zone(out, local.second_of_day, when.offset);
}

std::string format_internal_date(const ZonedTime& when) {
  std::string out;
  append_internal_date(out, when);
  return out;
}

std::optional<std::chrono::sys_days> parse_imap_date(std::string_view text) {
  DateParts parts;
  if (!take_imap_date(text, parts)) return std::nullopt;
  const auto time = to_utc(parts);
  if (!time) return std::nullopt;
  return std::chrono::floor<std::chrono::days>(*time);
}

}  // namespace keystonemail::mime
