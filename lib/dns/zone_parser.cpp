// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The entries of a zone file as records.
#include <algorithm>
#include <limits>
#include <optional>
#include <span>
#include <string>

#include "base/format.hpp"
#include "base/try.hpp"
#include "dns/escapes.hpp"
#include "dns/zone_lexer.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/hex.hpp"
#include "keystonemail/dns/message.hpp"
#include "keystonemail/dns/zone.hpp"

namespace keystonemail::dns {
namespace {

// Whether an absolute name is written: its last dot is not escaped.
bool ends_in_dot(std::string_view text) noexcept {
  bool is_dot = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    is_dot = text[i] == '.';
    if (text[i] == '\\') ++i;
  }
  return is_dot;
}

std::optional<Name> parse_name(std::string_view text, const Name& origin) {
  if (text == "@") return origin;
  if (ends_in_dot(text)) return Name::parse(text);
  return origin.prefixed(text);
}

// Seconds, or numbers with the units s, m, h, d and w.
std::optional<std::uint32_t> parse_ttl(std::string_view text) {
  if (const auto plain = parse_decimal(text, 0x7fffffff)) return static_cast<std::uint32_t>(*plain);
  std::uint64_t total = 0;
  while (!text.empty()) {
    const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
    const auto number = parse_decimal(text.substr(0, digits), 0x7fffffff);
    if (!number || digits == text.size()) return std::nullopt;
    constexpr std::string_view units = "smhdw";
    constexpr std::uint32_t seconds[] = {1, 60, 3'600, 86'400, 604'800};
    const std::size_t unit = units.find(to_lower(text[digits]));
    if (unit == std::string_view::npos) return std::nullopt;
    total += *number * seconds[unit];
    if (total > 0x7fffffff) return std::nullopt;
    text.remove_prefix(digits + 1);
  }
  return total == 0 ? std::nullopt : std::optional(static_cast<std::uint32_t>(total));
}

// The fields of one record's data, taken from the left. A field that is not as asked makes all of it fail.
class Fields {
 public:
  Fields(std::span<const ZoneToken> tokens, const Name& origin) : tokens_(tokens), origin_(origin) {}

  template <class Number>
  Number number() {
    const auto value = parse_decimal(take(), std::numeric_limits<Number>::max());
    if (!value) failed_ = true;
    return static_cast<Number>(value.value_or(0));
  }
  // A time of an SOA record, which, unlike a TTL, may have all its 32 bits.
  std::uint32_t period() {
    const auto text = take();
    if (const auto plain = parse_decimal(text, UINT32_MAX)) return static_cast<std::uint32_t>(*plain);
    const auto value = parse_ttl(text);
    if (!value) failed_ = true;
    return value.value_or(0);
  }
  Name name() {
    auto value = parse_name(take(), origin_);
    if (!value) failed_ = true;
    return value.value_or(Name());
  }
  std::string string(std::size_t octets_max) {
    auto value = unescape(take());
    if (!value || value->size() > octets_max) failed_ = true;
    return value.value_or("");
  }
  // RFC 8659 §4.1: letters and digits, in lower case.
  std::string word() {
    const auto text = take();
    if (text.empty() || text.size() > 255 || !std::ranges::all_of(text, [](char c) { return is_alpha(c) || is_digit(c); })) failed_ = true;
    return to_lower(text);
  }
  // All that is left.
  std::string hex() {
    std::string digits;
    while (has_more()) digits += take();
    auto value = codec::decode_hex(digits);
    if (!value) failed_ = true;
    return value.value_or("");
  }
  IpAddress address(IpAddress::Family family) {
    const std::string_view text = take();
    const auto value = IpAddress::parse(text);
    const bool is_six = text.find(':') != std::string_view::npos;  // an IPv4-mapped one is IPv6 here
    if (!value || is_six != (family == IpAddress::Family::v6)) failed_ = true;
    return value.value_or(IpAddress());
  }
  [[nodiscard]] bool has_more() const noexcept { return !tokens_.empty(); }
  [[nodiscard]] bool is_done() const noexcept { return !failed_ && tokens_.empty(); }

 private:
  std::string_view take() {
    if (tokens_.empty()) {
      failed_ = true;
      return {};
    }
    const auto text = tokens_.front().text;
    tokens_ = tokens_.subspan(1);
    return text;
  }

  std::span<const ZoneToken> tokens_;
  const Name& origin_;
  bool failed_ = false;
};

RecordData read_txt(Fields& fields) {
  Txt out;
  do out.strings.push_back(fields.string(255));
  while (fields.has_more());
  return out;
}

RecordData read_caa(Fields& fields) {
  const auto flags = fields.number<std::uint8_t>();
  std::string tag = fields.word();
  return Caa{flags, std::move(tag), fields.string(limits::message_octets_max)};
}

// Evaluation within braces goes from left to right.
std::optional<RecordData> read_typed(RecordType type, Fields& fields) {
  switch (type) {
    case RecordType::a: return A{fields.address(IpAddress::Family::v4)};
    case RecordType::aaaa: return Aaaa{fields.address(IpAddress::Family::v6)};
    case RecordType::cname: return Cname{fields.name()};
    case RecordType::ptr: return Ptr{fields.name()};
    case RecordType::ns: return Ns{fields.name()};
    case RecordType::mx: return Mx{fields.number<std::uint16_t>(), fields.name()};
    case RecordType::txt: return read_txt(fields);
    case RecordType::soa:
      return Soa{fields.name(),   fields.name(),   fields.number<std::uint32_t>(), fields.period(),
                 fields.period(), fields.period(), fields.period()};
    case RecordType::srv:
      return Srv{fields.number<std::uint16_t>(), fields.number<std::uint16_t>(), fields.number<std::uint16_t>(),
                 fields.name()};
    case RecordType::tlsa:
      return Tlsa{fields.number<std::uint8_t>(), fields.number<std::uint8_t>(), fields.number<std::uint8_t>(),
                  fields.hex()};
    case RecordType::caa: return read_caa(fields);
  }
  return std::nullopt;  // only in the form of RFC 3597
}

std::optional<RecordData> read_data(RecordType type, std::span<const ZoneToken> tokens, const Name& origin) {
  const bool is_generic = !tokens.empty() && !tokens.front().is_quoted && tokens.front().text == "\\#";
  Fields fields(is_generic ? tokens.subspan(1) : tokens, origin);
  if (!is_generic) {
    auto data = read_typed(type, fields);
    return fields.is_done() ? data : std::nullopt;
  }
  const auto length = fields.number<std::uint16_t>();
  const std::string octets = fields.hex();
  if (!fields.is_done() || octets.size() != length) return std::nullopt;
  return parse_rdata(type, octets, 0, octets.size());
}

class ZoneParser {
 public:
  explicit ZoneParser(const Name& origin) : origin_(origin) {}

  Result<void> take(const ZoneEntry& entry) {
    const auto& first = entry.tokens.front();
    if (!entry.begins_with_blank && !first.is_quoted && first.text.starts_with('$')) return directive(entry);
    return record(entry);
  }
  std::vector<Record> records;

 private:
  static std::unexpected<Error> failure(const ZoneEntry& entry, std::string_view what) {
    return fail(ErrorKind::invalid, format("line {}: {}", entry.line, what));
  }

  Result<void> directive(const ZoneEntry& entry) {
    const auto word = entry.tokens.front().text;
    if (entry.tokens.size() != 2) return failure(entry, "a directive takes one argument");
    const auto argument = entry.tokens[1].text;
    if (iequals(word, "$ORIGIN")) {
      auto name = parse_name(argument, origin_);
      if (!name) return failure(entry, "$ORIGIN takes a domain name");
      origin_ = *std::move(name);
      return {};
    }
    if (!iequals(word, "$TTL")) return failure(entry, "this directive is not understood");
    default_ttl_ = parse_ttl(argument);
    if (!default_ttl_) return failure(entry, "$TTL takes a time");
    return {};
  }

  // [owner] [TTL] [class] type data, TTL and class in either order.
  Result<void> record(const ZoneEntry& entry) {
    std::span<const ZoneToken> rest = entry.tokens;
    if (!entry.begins_with_blank) {
      owner_ = parse_name(rest.front().text, origin_);
      rest = rest.subspan(1);
    }
    if (!owner_) return failure(entry, "the owner is not a domain name");
    std::optional<std::uint32_t> ttl;
    while (!rest.empty() && !parse_record_type(rest.front().text)) {
      const auto text = rest.front().text;
      const auto number = is_digit(text.empty() ? ' ' : text.front()) ? parse_ttl(text) : std::nullopt;
      if (number) ttl = number;
      else if (!iequals(text, "IN")) return failure(entry, "neither a record type nor a TTL nor the class IN");
      rest = rest.subspan(1);
    }
    if (rest.empty()) return failure(entry, "a record has no type");
    const auto type = *parse_record_type(rest.front().text);
    auto data = read_data(type, rest.subspan(1), origin_);
    if (!data) return failure(entry, "the data of this " + to_string(type) + " record is wrong");
    if (ttl) last_ttl_ = *ttl;
    records.push_back({*owner_, ttl.value_or(default_ttl_.value_or(last_ttl_)), *std::move(data)});
    return {};
  }

  Name origin_;
  std::optional<Name> owner_;
  std::optional<std::uint32_t> default_ttl_;           // RFC 2308 §4
  std::uint32_t last_ttl_ = limits::zone_ttl_default;  // RFC 1035 §5.1: left out, that of the record before
};

}  // namespace

Result<std::vector<Record>> parse_zone(std::string_view text, const Name& origin) {
  if (text.size() > limits::zone_octets_max) return fail(ErrorKind::too_large, "the zone is too large");
  ZoneLexer lexer(text);
  ZoneParser parser(origin);
  while (true) {
    KM_TRY(const auto entry, lexer.next());
    if (entry.tokens.empty()) return std::move(parser.records);
    KM_CHECK(parser.take(entry));
  }
}

}  // namespace keystonemail::dns
