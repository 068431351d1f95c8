// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <algorithm>
#include <array>
#include <cassert>
#include <optional>
#include <string>

#include "keystonemail/base/text.hpp"
#include "keystonemail/mime/header.hpp"
#include "keystonemail/mime/limits.hpp"
#include "keystonemail/mime/summary.hpp"
#include "mime/preview.hpp"
#include "mime/record.hpp"
#include "mime/scanner.hpp"
#include "mime/summary_format.hpp"

namespace keystonemail::mime {
namespace {

namespace format = summary_format;
using format::EnvelopeMember;

constexpr std::uint32_t bit(EnvelopeMember member) { return 1U << static_cast<unsigned>(member); }

struct MemberField {
  FieldName field;
  EnvelopeMember member;
  bool addresses;
};
constexpr std::array member_fields = {
    MemberField{FieldName::date, EnvelopeMember::date, false},
    MemberField{FieldName::subject, EnvelopeMember::subject, false},
    MemberField{FieldName::from, EnvelopeMember::from, true},
    MemberField{FieldName::sender, EnvelopeMember::sender, true},
    MemberField{FieldName::reply_to, EnvelopeMember::reply_to, true},
    MemberField{FieldName::to, EnvelopeMember::to, true},
    MemberField{FieldName::cc, EnvelopeMember::cc, true},
    MemberField{FieldName::bcc, EnvelopeMember::bcc, true},
    MemberField{FieldName::in_reply_to, EnvelopeMember::in_reply_to, false},
    MemberField{FieldName::message_id, EnvelopeMember::message_id, false}};

// Unfolded; NUL cannot be told to IMAP clients (RFC 9051 §4.3) and becomes a blank.
std::string clean_text(std::string_view value) {
  std::string text = unfold(value);
  std::ranges::replace(text, '\0', ' ');
  return text;
}

void put_text(std::string& out, std::string_view value) {
  value = trim(value);
  constexpr CharacterSet unclean(std::string_view("\r\n\0", 3));
  if (std::ranges::none_of(value, [&](char c) { return unclean.has(c); })) put_string(out, value);
  else put_string(out, clean_text(value));
}

void put_address(std::string& out, const ListedAddress& address) {
  namespace bits = format::address;
  const auto mark = [](const std::string& text, unsigned value) { return text.empty() ? 0U : value; };
  put_octet(out, static_cast<unsigned>(address.kind) | mark(address.name, bits::name) | mark(address.route, bits::route) |
                     mark(address.local_part, bits::local_part) | mark(address.domain, bits::domain));
  for (const std::string* text : {&address.name, &address.route, &address.local_part, &address.domain})
    if (!text->empty()) put_text(out, *text);
}

std::string encode_addresses(std::string_view value) {
  std::string out;
  for (const ListedAddress& address : parse_address_list(value)) put_address(out, address);
  return out;
}

// Members are written in order; what is absent has no bit in the mask.
std::string encode_envelope(const Message& message, const Part& part) {
  std::array<std::optional<std::string_view>, member_fields.size()> values;
  for (const Field& field : message.fields(part))
    for (std::size_t i = 0; i < member_fields.size(); ++i)
      if (member_fields[i].field == field.id && !values[i]) values[i] = field.value;
  std::uint32_t mask = 0;
  std::string members, from;
  for (std::size_t i = 0; i < member_fields.size(); ++i) {
    if (!values[i]) continue;
    if (!member_fields[i].addresses) {
      put_text(members, *values[i]);
    } else {
      std::string addresses = encode_addresses(*values[i]);
      // RFC 9051 §7.5.2: an empty list is NIL; sender and reply-to default to from, so an equal one is left out.
      const bool defaulted = member_fields[i].member == EnvelopeMember::sender || member_fields[i].member == EnvelopeMember::reply_to;
      if (addresses.empty() || (defaulted && addresses == from)) continue;
      put_string(members, addresses);
      if (member_fields[i].member == EnvelopeMember::from) from = std::move(addresses);
    }
    mask |= bit(member_fields[i].member);
  }
  std::string out;
  out.reserve(members.size() + 2);
  put_number(out, mask);
  return out += members;
}

void put_parameters(std::string& out, const Parameters& parameters) {
  put_number(out, parameters.size());
  for (const Parameter& parameter : parameters) {
    put_number(out, parameter.name.size() << 1 | (parameter.extended ? 1U : 0U));
    out += parameter.name;
    put_text(out, parameter.value);
  }
}

std::size_t known_type(const ContentType& type) {
  const auto& known = format::known_types;
  const auto found = std::ranges::find_if(known, [&](const format::MediaType& media) {
    return media.type == type.type && media.subtype == type.subtype;
  });
  return static_cast<std::size_t>(found - known.begin());
}

class PartEncoder {
 public:
  PartEncoder(const Message& message, std::string& out) : message_(message), out_(out) {}

  void encode(const Part& part, const ContentType& type) {
    const std::string extras = encode_extras(part);
    const std::size_t known = known_type(type);
    const bool is_known = known < format::known_types.size();
    unsigned head = static_cast<unsigned>(part.kind) | static_cast<unsigned>(part.encoding) << format::part::encoding_shift;
    if (part.opaque) head |= format::part::opaque;
    if (is_known) head |= format::part::known_type;
    if (!extras.empty()) head |= format::part::extras;
    put_octet(out_, head);
    if (is_known) {
      put_octet(out_, static_cast<unsigned>(known));
    } else {
      put_string(out_, type.type);
      put_string(out_, type.subtype);
    }
    put_number(out_, static_cast<std::uint32_t>(part.header_begin - previous_body_));
    put_number(out_, part.header_octets());
    put_number(out_, part.body_octets());
    put_number(out_, part.lines);
    if (part.kind == PartKind::multipart) put_number(out_, part.child_count);
    put_parameters(out_, type.parameters);
    out_ += extras;
    previous_body_ = part.body_begin;
  }

 private:
  // The mask and what it announces; nothing when there is nothing.
  std::string encode_extras(const Part& part) {
    namespace extra = format::extra;
    std::string members;
    unsigned mask = 0;
    const auto add = [&](FieldName field, unsigned bit) {
      const auto value = message_.value(part, field);
      if (!value) return;
      mask |= bit;
      put_text(members, *value);
    };
    add(FieldName::content_id, extra::id);
    add(FieldName::content_description, extra::description);
    add(FieldName::content_md5, extra::md5);
    add(FieldName::content_location, extra::location);
    if (part.encoding == TransferEncoding::unknown) add(FieldName::content_transfer_encoding, extra::encoding_name);
    mask |= put_disposition(members, part) | put_languages(members, part);
    if (part.parent != no_part && message_.parts()[part.parent].kind == PartKind::message) {
      mask |= extra::envelope;
      put_string(members, encode_envelope(message_, part));
    }
    if (mask == 0) return {};
    return std::string(1, static_cast<char>(mask)) + members;
  }

  unsigned put_disposition(std::string& members, const Part& part) {
    const auto value = message_.value(part, FieldName::content_disposition);
    if (!value) return 0;
    const ContentDisposition disposition = parse_content_disposition(*value);
    if (disposition.type.empty()) return 0;
    put_string(members, disposition.type);
    put_parameters(members, disposition.parameters);
    return format::extra::disposition;
  }

  unsigned put_languages(std::string& members, const Part& part) {
    const auto value = message_.value(part, FieldName::content_language);
    if (!value) return 0;
    const auto languages = parse_content_language(*value);
    if (languages.empty()) return 0;
    put_number(members, languages.size());
    for (const std::string& language : languages) put_string(members, language);
    return format::extra::languages;
  }

  const Message& message_;
  std::string& out_;
  std::uint32_t previous_body_ = 0;
};

// RFC 8621 §4.1.4: whether to show a paper clip.
bool is_attachment(const Message& message, const Part& part, const ContentType& type) {
  if (part.kind == PartKind::multipart || part.parent == no_part) return false;
  const auto value = message.value(part, FieldName::content_disposition);
  if (value && istarts_with(trim(*value), "attachment")) return true;
  if (part.kind == PartKind::message) return true;
  const bool has_id = message.value(part, FieldName::content_id).has_value();
  if (type.type == "text" || type.is("application/pgp-signature") || type.is("application/pkcs7-signature")) return false;
  return part.kind == PartKind::leaf && !has_id && message.parts()[part.parent].kind != PartKind::message;
}

}  // namespace

void append_summary(std::string& out, const Message& message) {
  std::string parts;
  std::uint8_t flags = message.ambiguous() ? format::flags::ambiguous : 0;
  if (message.raw().find('\0') == std::string_view::npos) flags |= format::flags::free_of_nul;
  PartEncoder encoder(message, parts);
  PreviewMaker preview(message);
  for (const Part& part : message.parts()) {
    const ContentType type = message.content_type(part);
    encoder.encode(part, type);
    preview.consider(part, type);
    if (is_attachment(message, part, type)) flags |= format::flags::has_attachment;
  }
  const Part& root = message.root();
  const auto date_value = message.value(root, FieldName::date);
  const auto date = date_value ? parse_date(*date_value) : std::nullopt;
  if (date) flags |= format::flags::has_date;
  const std::string envelope = encode_envelope(message, root);
  const std::string preview_text = preview.make();
  std::string references;
  if (const auto value = message.value(root, FieldName::references)) references = clean_text(*value);

  out.reserve(out.size() + envelope.size() + references.size() + preview_text.size() + parts.size() + 32);
  put_octet(out, format::version);
  put_octet(out, flags);
  put_number(out, message.raw().size());
  if (date) {
    put_signed(out, std::chrono::floor<std::chrono::seconds>(date->time).time_since_epoch().count());
    put_signed(out, date->offset.count());
  }
  put_string(out, envelope);
  put_string(out, references);
  put_string(out, preview_text);
  put_number(out, message.parts().size());
  out += parts;
}

std::string encode_summary(const Message& message) {
  std::string out;
  append_summary(out, message);
  return out;
}

std::string summary_behind_trace(std::string_view summary, std::size_t octets) {
  RecordReader reader(summary);
  std::string out;
  out.reserve(summary.size() + 4);
  put_octet(out, reader.octet());
  const unsigned flags = reader.octet();
  put_octet(out, flags);
  put_number(out, reader.number() + octets);
  const char* kept = reader.rest().data();
  if ((flags & format::flags::has_date) != 0) (void)reader.signed_number(), (void)reader.signed_number();
  for (int text = 0; text < 3; ++text) (void)reader.string();  // envelope, references, preview
  (void)reader.number();                                       // how many parts
  if ((reader.octet() & format::part::known_type) != 0) (void)reader.octet();
  else (void)reader.string(), (void)reader.string();
  (void)reader.number();  // the header begins at 0, with what comes before it too
  out.append(kept, reader.rest().data());
  put_number(out, reader.number() + octets);
  assert(reader.good());  // what follows counts from here
  return out += reader.rest();
}

bool takes_trace(const Message& message) noexcept {
  // A first line that begins with a blank would go on a field before it.
  if (message.raw().starts_with(' ') || message.raw().starts_with('\t')) return false;
  if (message.raw().size() > limits::message_octets_max - limits::trace_octets_max) return false;
  // Far enough from the limits of what is looked at.
  std::size_t octets = 0, fields = 0;
  for (const Part& part : message.parts()) octets += part.header_octets(), fields += part.field_count;
  return octets <= limits::header_octets_max - limits::trace_octets_max && fields <= limits::header_fields_max / 2;
}

}  // namespace keystonemail::mime
