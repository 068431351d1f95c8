// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/dns/message.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>

#include "dns/wire_reader.hpp"
#include "keystonemail/base/text.hpp"

namespace keystonemail::dns {
namespace {

constexpr std::uint16_t class_internet = 1;  // RFC 1035 §3.2.4

// RFC 1035 §4.1.1
struct Header {
  std::uint16_t flags = 0, questions = 0, answers = 0, authorities = 0;

  [[nodiscard]] bool is_response() const { return (flags & 0x8000U) != 0; }
  [[nodiscard]] unsigned opcode() const { return flags >> 11U & 15U; }
  [[nodiscard]] bool is_truncated() const { return (flags & 0x0200U) != 0; }
  [[nodiscard]] unsigned response_code() const { return flags & 15U; }
};
enum : unsigned { no_error = 0, server_failed = 2, name_error = 3 };

std::optional<Header> read_header(WireReader& reader) {
  const auto id = reader.u16();  // whoever sent the query has compared it
  const auto flags = reader.u16(), questions = reader.u16(), answers = reader.u16(), authorities = reader.u16();
  const auto additional = reader.u16();
  if (!id || !additional) return std::nullopt;
  return Header{*flags, *questions, *answers, *authorities};
}

bool read_question(WireReader& reader, const Question& question) {
  const auto name = reader.name();
  const auto type = reader.u16(), klass = reader.u16();
  return name && klass && *name == question.name && static_cast<RecordType>(*type) == question.type;
}

// A record whose RDATA is still octets in the message.
struct RawRecord {
  Name owner;
  RecordType type{};
  std::uint16_t klass = 0;
  std::uint32_t ttl = 0;
  std::size_t offset = 0, length = 0;
};

std::optional<RawRecord> read_record(WireReader& reader) {
  auto owner = reader.name();
  if (!owner) return std::nullopt;
  const auto type = reader.u16(), klass = reader.u16();
  const auto ttl = reader.u32();
  const auto length = reader.u16();
  if (!length) return std::nullopt;
  RawRecord out{*std::move(owner), static_cast<RecordType>(*type), *klass, *ttl, reader.offset(), *length};
  if (out.ttl > 0x7fffffff) out.ttl = 0;  // RFC 2181 §8
  if (!reader.octets(*length)) return std::nullopt;
  return out;
}

// What the answer and authority sections say that matters to one question.
struct Findings {
  struct Alias {
    Name target;
    std::uint32_t ttl;
  };
  std::map<Name, Alias> aliases;
  std::multimap<Name, RawRecord> data;
  std::optional<std::uint32_t> denial_ttl;
};

bool read_answers(WireReader& reader, std::string_view message, unsigned count, RecordType wanted, Findings& out) {
  for (unsigned i = 0; i < count; ++i) {
    auto record = read_record(reader);
    if (!record) return false;
    if (record->klass != class_internet) continue;
    if (record->type == wanted) {
      Name owner = record->owner;
      out.data.emplace(std::move(owner), *std::move(record));
    } else if (record->type == RecordType::cname) {
      auto target = parse_rdata(RecordType::cname, message, record->offset, record->length);
      if (!target) return false;
      out.aliases.insert_or_assign(record->owner, Findings::Alias{std::get<Cname>(*std::move(target)).target, record->ttl});
    }
  }
  return true;
}

// RFC 2308 §5: a denial may be kept for the lesser of the SOA's TTL and its MINIMUM.
bool read_authorities(WireReader& reader, std::string_view message, unsigned count, Findings& out) {
  for (unsigned i = 0; i < count; ++i) {
    const auto record = read_record(reader);
    if (!record) return false;
    if (record->klass != class_internet || record->type != RecordType::soa) continue;
    const auto soa = parse_rdata(RecordType::soa, message, record->offset, record->length);
    if (!soa) return false;
    out.denial_ttl = std::min(record->ttl, std::get<Soa>(*soa).minimum);
  }
  return true;
}

Answer conclude(std::string_view message, const Question& question, unsigned response_code, const Findings& findings) {
  Name name = question.name;
  std::uint32_t ttl = UINT32_MAX;
  for (std::size_t links = 0;; ++links) {
    const auto alias = findings.aliases.find(name);
    if (alias == findings.aliases.end()) break;
    if (links == limits::alias_links_max) return Answer::none(AnswerStatus::server_failure, question.name);
    ttl = std::min(ttl, alias->second.ttl);
    name = alias->second.target;
  }
  Answer out = Answer::none(AnswerStatus::found, name);
  const auto [first, last] = findings.data.equal_range(name);
  for (auto at = first; at != last; ++at) {
    auto data = parse_rdata(question.type, message, at->second.offset, at->second.length);
    if (!data) return Answer::none(AnswerStatus::malformed, question.name);
    ttl = std::min(ttl, at->second.ttl);
    out.records.push_back(*std::move(data));
  }
  if (out.records.empty()) {
    out.status = response_code == name_error ? AnswerStatus::no_such_name : AnswerStatus::no_data;
    ttl = std::min(ttl, findings.denial_ttl.value_or(0));
  }
  out.ttl = std::chrono::seconds(ttl);
  return out;
}

// RFC 1035 §3.3.14: one or more strings.
// LENIENT: a record without any reads as an empty one, so that it does not spoil the others of its name.
std::optional<RecordData> read_txt(WireReader& reader) {
  Txt out;
  if (reader.at_end()) return Txt{{std::string()}};
  do {
    const auto piece = reader.character_string();
    if (!piece) return std::nullopt;
    out.strings.emplace_back(*piece);
  } while (!reader.at_end());
  return out;
}

std::optional<RecordData> read_soa(WireReader& reader) {
  auto primary = reader.name();
  if (!primary) return std::nullopt;
  auto mailbox = reader.name();
  if (!mailbox) return std::nullopt;
  const auto serial = reader.u32(), refresh = reader.u32(), retry = reader.u32(), expire = reader.u32();
  const auto minimum = reader.u32();
  if (!minimum) return std::nullopt;
  return Soa{*std::move(primary), *std::move(mailbox), *serial, *refresh, *retry, *expire, *minimum};
}

std::optional<RecordData> read_mx(WireReader& reader) {
  const auto preference = reader.u16();
  if (!preference) return std::nullopt;
  auto exchange = reader.name();
  if (!exchange) return std::nullopt;
  return Mx{*preference, *std::move(exchange)};
}

std::optional<RecordData> read_srv(WireReader& reader) {
  const auto priority = reader.u16(), weight = reader.u16(), port = reader.u16();
  if (!port) return std::nullopt;
  auto target = reader.name();
  if (!target) return std::nullopt;
  return Srv{*priority, *weight, *port, *std::move(target)};
}

std::optional<RecordData> read_tlsa(WireReader& reader) {
  const auto usage = reader.u8(), selector = reader.u8(), matching = reader.u8();
  if (!matching) return std::nullopt;
  return Tlsa{*usage, *selector, *matching, std::string(reader.rest())};
}

// RFC 8659 §4.1: the tag is of letters and digits.
std::optional<RecordData> read_caa(WireReader& reader) {
  const auto flags = reader.u8();
  const auto tag = reader.character_string();
  if (!flags || !tag || tag->empty()) return std::nullopt;
  if (!std::ranges::all_of(*tag, [](char c) { return is_alpha(c) || is_digit(c); })) return std::nullopt;
  return Caa{*flags, to_lower(*tag), std::string(reader.rest())};
}

template <class T>
std::optional<RecordData> read_name(WireReader& reader) {
  auto target = reader.name();
  if (!target) return std::nullopt;
  return T{*std::move(target)};
}

std::optional<RecordData> read_address(WireReader& reader) {
  const auto octets = reader.octets(4);
  if (!octets) return std::nullopt;
  std::array<std::uint8_t, 4> out{};
  std::ranges::copy(*octets, out.begin());
  return A{IpAddress::v4(out)};
}

std::optional<RecordData> read_address6(WireReader& reader) {
  const auto octets = reader.octets(16);
  if (!octets) return std::nullopt;
  std::array<std::uint8_t, 16> out{};
  std::ranges::copy(*octets, out.begin());
  return Aaaa{IpAddress::v6(out)};
}

std::optional<RecordData> read_data(RecordType type, WireReader& reader) {
  switch (type) {
    case RecordType::a: return read_address(reader);
    case RecordType::aaaa: return read_address6(reader);
    case RecordType::cname: return read_name<Cname>(reader);
    case RecordType::ptr: return read_name<Ptr>(reader);
    case RecordType::ns: return read_name<Ns>(reader);
    case RecordType::mx: return read_mx(reader);
    case RecordType::txt: return read_txt(reader);
    case RecordType::soa: return read_soa(reader);
    case RecordType::srv: return read_srv(reader);
    case RecordType::tlsa: return read_tlsa(reader);
    case RecordType::caa: return read_caa(reader);
  }
  return Opaque{type, std::string(reader.rest())};
}

}  // namespace

std::optional<RecordData> parse_rdata(RecordType type, std::string_view message, std::size_t offset, std::size_t length) {
  if (offset > message.size() || length > message.size() - offset) return std::nullopt;
  WireReader reader(message, offset, offset + length);
  auto out = read_data(type, reader);
  if (!out || !reader.at_end()) return std::nullopt;
  return out;
}

Answer parse_response(std::string_view message, const Question& question) {
  const Answer malformed = Answer::none(AnswerStatus::malformed, question.name);
  if (message.size() > limits::message_octets_max) return malformed;
  WireReader reader(message, 0, message.size());
  const auto header = read_header(reader);
  if (!header || !header->is_response() || header->opcode() != 0 || header->questions > 1) return malformed;
  const unsigned code = header->response_code();
  if (code == server_failed) return Answer::none(AnswerStatus::server_failure, question.name);
  if (code != no_error && code != name_error) return Answer::none(AnswerStatus::refused, question.name);
  if (header->is_truncated()) return malformed;
  if (header->questions == 1 && !read_question(reader, question)) return malformed;
  Findings findings;
  if (!read_answers(reader, message, header->answers, question.type, findings)) return malformed;
  if (!read_authorities(reader, message, header->authorities, findings)) return malformed;
  return conclude(message, question, code, findings);
}

}  // namespace keystonemail::dns
