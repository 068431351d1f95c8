// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mime/header.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <functional>
#include <vector>

#include "keystonemail/base/text.hpp"

namespace keystonemail::mime {
namespace {

struct KnownName {
  std::string_view name;  // lower case
  FieldName id;
};

// By length, so that a look-up compares with a few only.
constexpr std::array known_names = {
    KnownName{"to", FieldName::to},
    KnownName{"cc", FieldName::cc},
    KnownName{"bcc", FieldName::bcc},
    KnownName{"from", FieldName::from},
    KnownName{"date", FieldName::date},
    KnownName{"sender", FieldName::sender},
    KnownName{"subject", FieldName::subject},
    KnownName{"list-id", FieldName::list_id},
    KnownName{"received", FieldName::received},
    KnownName{"reply-to", FieldName::reply_to},
    KnownName{"comments", FieldName::comments},
    KnownName{"resent-to", FieldName::resent_to},
    KnownName{"resent-cc", FieldName::resent_cc},
    KnownName{"message-id", FieldName::message_id},
    KnownName{"references", FieldName::references},
    KnownName{"content-id", FieldName::content_id},
    KnownName{"resent-bcc", FieldName::resent_bcc},
    KnownName{"return-path", FieldName::return_path},
    KnownName{"in-reply-to", FieldName::in_reply_to},
    KnownName{"content-md5", FieldName::content_md5},
    KnownName{"resent-from", FieldName::resent_from},
    KnownName{"resent-date", FieldName::resent_date},
    KnownName{"content-type", FieldName::content_type},
    KnownName{"mime-version", FieldName::mime_version},
    KnownName{"delivered-to", FieldName::delivered_to},
    KnownName{"resent-sender", FieldName::resent_sender},
    KnownName{"dkim-signature", FieldName::dkim_signature},
    KnownName{"content-language", FieldName::content_language},
    KnownName{"content-location", FieldName::content_location},
    KnownName{"resent-message-id", FieldName::resent_message_id},
    KnownName{"content-description", FieldName::content_description},
    KnownName{"content-disposition", FieldName::content_disposition},
    KnownName{"content-transfer-encoding", FieldName::content_transfer_encoding},
};

constexpr std::size_t name_octets_max = 25;

// first_of[n] is the first known name of n octets or more.
constexpr auto first_of = [] {
  std::array<std::uint8_t, name_octets_max + 2> first{};
  for (std::size_t octets = 0; octets < first.size(); ++octets) {
    std::size_t i = 0;
    while (i < known_names.size() && known_names[i].name.size() < octets) ++i;
    first[octets] = static_cast<std::uint8_t>(i);
  }
  return first;
}();
static_assert(std::ranges::is_sorted(known_names, {}, [](const KnownName& known) { return known.name.size(); }));
static_assert(known_names.back().name.size() == name_octets_max);

// RFC 5322 §2.2: a name is printable ASCII without colon.
bool is_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) { return c > ' ' && c < '\x7f'; });
}

// The position after the line that begins at `from`, or the end of the text.
std::size_t line_end(std::string_view text, std::size_t from) {
  const auto* newline = static_cast<const char*>(std::memchr(text.data() + from, '\n', text.size() - from));
  return newline == nullptr ? text.size() : static_cast<std::size_t>(newline - text.data()) + 1;
}

std::string_view without_line_end(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

Field make_field(std::string_view raw) {
  Field field{FieldName::malformed, {}, without_line_end(raw), raw};
  const std::size_t colon = raw.find(':');
  if (colon == std::string_view::npos) return field;
  std::string_view name = raw.substr(0, colon);
  while (name.ends_with(' ') || name.ends_with('\t')) name.remove_suffix(1);  // RFC 5322 §4.5: obs-optional
  if (!is_name(name)) return field;  // this also catches a colon beyond the first line
  field.id = field_name(name);
  field.name = name;
  field.value.remove_prefix(colon + 1);
  return field;
}

}  // namespace

FieldName field_name(std::string_view name) noexcept {
  if (name.size() > name_octets_max) return FieldName::other;
  for (std::size_t i = first_of[name.size()]; i < first_of[name.size() + 1]; ++i)
    if (iequals(known_names[i].name, name)) return known_names[i].id;
  return FieldName::other;
}

std::optional<Field> HeaderReader::next() noexcept {
  if (ended_ || position_ >= text_.size()) return std::nullopt;
  const std::size_t begin = position_;
  std::size_t end = line_end(text_, begin);
  if (without_line_end(text_.substr(begin, end - begin)).empty() && text_[end - 1] == '\n') {
    position_ = end;
    ended_ = true;
    return std::nullopt;
  }
  while (end < text_.size() && (text_[end] == ' ' || text_[end] == '\t')) end = line_end(text_, end);
  position_ = end;
  return make_field(text_.substr(begin, end - begin));
}

std::optional<std::size_t> HeaderEndFinder::find(std::string_view piece) noexcept {
  for (std::size_t i = 0; i < piece.size(); ++i) {
    const char c = piece[i];
    if (c == '\n') {
      if (at_line_start_) return i + 1;
      at_line_start_ = true;
      after_cr_ = false;
    } else if (c == '\r' && at_line_start_ && !after_cr_) {
      after_cr_ = true;
    } else {
      at_line_start_ = false;
      const auto* newline = static_cast<const char*>(std::memchr(piece.data() + i, '\n', piece.size() - i));
      if (newline == nullptr) return std::nullopt;
      i = static_cast<std::size_t>(newline - piece.data()) - 1;
    }
  }
  return std::nullopt;
}

std::size_t header_octets(std::string_view message) noexcept {
  HeaderReader reader(message);
  while (reader.next()) {
  }
  return reader.octets();
}

std::optional<Field> find_field(std::string_view header, std::string_view name) noexcept {
  HeaderReader reader(header);
  while (auto field = reader.next())
    if (iequals(field->name, name)) return field;
  return std::nullopt;
}

std::optional<Field> find_field(std::string_view header, FieldName name) noexcept {
  HeaderReader reader(header);
  while (auto field = reader.next())
    if (field->id == name) return field;
  return std::nullopt;
}

void append_unfolded(std::string& out, std::string_view value) {
  value = trim(value);
  if (value.empty()) return;
  if (std::memchr(value.data(), '\r', value.size()) == nullptr && std::memchr(value.data(), '\n', value.size()) == nullptr) {
    out += value;
    return;
  }
  out.reserve(out.size() + value.size());
  for (const char c : value)
    if (c != '\r' && c != '\n') out.push_back(c);
}

std::string unfold(std::string_view value) {
  std::string out;
  append_unfolded(out, value);
  return out;
}

std::string filter_header(std::string_view header, FieldFilter filter, std::span<const std::string_view> names) {
  std::vector<std::string_view> sorted(names.begin(), names.end());
  std::ranges::sort(sorted, iless);
  std::string out;
  HeaderReader reader(header);
  while (auto field = reader.next()) {
    const bool named = std::ranges::binary_search(sorted, field->name, iless);
    if (named == (filter == FieldFilter::only)) out += field->raw;
  }
  if (!out.empty() && !out.ends_with('\n')) out += "\r\n";
  return out += "\r\n";
}

}  // namespace keystonemail::mime
