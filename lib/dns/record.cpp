// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/dns/record.hpp"

#include <array>

#include "base/format.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/hex.hpp"
#include "keystonemail/dns/answer.hpp"

namespace keystonemail::dns {
namespace {

struct TypeName {
  RecordType type;
  std::string_view name;
};
constexpr std::array type_names{
    TypeName{RecordType::a, "A"},         TypeName{RecordType::ns, "NS"},     TypeName{RecordType::cname, "CNAME"},
    TypeName{RecordType::soa, "SOA"},     TypeName{RecordType::ptr, "PTR"},   TypeName{RecordType::mx, "MX"},
    TypeName{RecordType::txt, "TXT"},     TypeName{RecordType::aaaa, "AAAA"}, TypeName{RecordType::srv, "SRV"},
    TypeName{RecordType::tlsa, "TLSA"},   TypeName{RecordType::caa, "CAA"}};

std::string absolute(const Name& name) { return name.is_root() ? name.text() : name.text() + "."; }

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || octet >= 0x7f) {
      format_to(out, "\\{:03}", octet);
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + "\"";
}

struct Printer {
  std::string operator()(const A& data) const { return data.address.to_string(); }
  std::string operator()(const Aaaa& data) const {
    // Text that an AAAA record can be read from again, whatever the address.
    return (data.address.family() == IpAddress::Family::v4 ? "::ffff:" : "") + data.address.to_string();
  }
  std::string operator()(const Cname& data) const { return absolute(data.target); }
  std::string operator()(const Ptr& data) const { return absolute(data.target); }
  std::string operator()(const Ns& data) const { return absolute(data.target); }
  std::string operator()(const Mx& data) const { return format("{} {}", data.preference, absolute(data.exchange)); }
  std::string operator()(const Txt& data) const {
    std::string out;
    for (const auto& piece : data.strings) out += (out.empty() ? "" : " ") + quoted(piece);
    return out;
  }
  std::string operator()(const Soa& data) const {
    return format("{} {} {} {} {} {} {}", absolute(data.primary), absolute(data.mailbox), data.serial, data.refresh,
                  data.retry, data.expire, data.minimum);
  }
  std::string operator()(const Srv& data) const {
    return format("{} {} {} {}", data.priority, data.weight, data.port, absolute(data.target));
  }
  std::string operator()(const Tlsa& data) const {
    return format("{} {} {} {}", data.usage, data.selector, data.matching_type, codec::encode_hex(data.data));
  }
  std::string operator()(const Caa& data) const { return format("{} {} {}", data.flags, data.tag, quoted(data.value)); }
  std::string operator()(const Opaque& data) const {
    return data.data.empty() ? "\\# 0" : format("\\# {} {}", data.data.size(), codec::encode_hex(data.data));
  }
};

struct TypeOf {
  RecordType operator()(const A&) const { return RecordType::a; }
  RecordType operator()(const Aaaa&) const { return RecordType::aaaa; }
  RecordType operator()(const Cname&) const { return RecordType::cname; }
  RecordType operator()(const Ptr&) const { return RecordType::ptr; }
  RecordType operator()(const Ns&) const { return RecordType::ns; }
  RecordType operator()(const Mx&) const { return RecordType::mx; }
  RecordType operator()(const Txt&) const { return RecordType::txt; }
  RecordType operator()(const Soa&) const { return RecordType::soa; }
  RecordType operator()(const Srv&) const { return RecordType::srv; }
  RecordType operator()(const Tlsa&) const { return RecordType::tlsa; }
  RecordType operator()(const Caa&) const { return RecordType::caa; }
  RecordType operator()(const Opaque& data) const { return data.type; }
};

}  // namespace

std::string to_string(RecordType type) {
  for (const auto& entry : type_names) {
    if (entry.type == type) return std::string(entry.name);
  }
  return format("TYPE{}", static_cast<std::uint16_t>(type));
}

std::optional<RecordType> parse_record_type(std::string_view text) {
  for (const auto& entry : type_names) {
    if (iequals(entry.name, text)) return entry.type;
  }
  if (!istarts_with(text, "TYPE")) return std::nullopt;
  const auto number = parse_decimal(text.substr(4), 65'535);
  if (!number) return std::nullopt;
  return static_cast<RecordType>(*number);
}

std::string Txt::joined() const {
  std::string out;
  for (const auto& piece : strings) out += piece;
  return out;
}

RecordType type_of(const RecordData& data) noexcept { return std::visit(TypeOf{}, data); }

std::string to_string(const RecordData& data) { return std::visit(Printer{}, data); }

std::string_view to_string(AnswerStatus status) noexcept {
  switch (status) {
    case AnswerStatus::found: return "found";
    case AnswerStatus::no_such_name: return "no such name";
    case AnswerStatus::no_data: return "no data";
    case AnswerStatus::server_failure: return "server failure";
    case AnswerStatus::refused: return "refused";
    case AnswerStatus::timeout: return "timeout";
    case AnswerStatus::bogus: return "bogus";
    case AnswerStatus::malformed: return "malformed";
  }
  return "";
}

bool is_temporary(AnswerStatus status) noexcept {
  switch (status) {
    case AnswerStatus::found:
    case AnswerStatus::no_such_name:
    case AnswerStatus::no_data: return false;
    case AnswerStatus::server_failure:
    case AnswerStatus::refused:
    case AnswerStatus::timeout:
    case AnswerStatus::bogus:
    case AnswerStatus::malformed: return true;
  }
  return true;
}

}  // namespace keystonemail::dns
