// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/tag_list.hpp"

#include <algorithm>

#include "keystonemail/base/text.hpp"

namespace keystonemail::mailauth {
namespace {

bool is_white(char c) noexcept { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

bool is_tag_name(std::string_view name) noexcept {
  return !name.empty() && is_alpha(name.front()) &&
         std::ranges::all_of(name, [](char c) { return is_alpha(c) || is_digit(c) || c == '_'; });
}

// White space within a value is SP, HTAB, or a line end that folds: one that white space follows.
bool is_tag_value(std::string_view value) noexcept {
  for (std::size_t i = 0; i < value.size(); ++i) {
    const char c = value[i];
    if (c == '\r' && (i + 1 == value.size() || value[i + 1] != '\n')) return false;
    if (c == '\n' && (i + 1 == value.size() || (value[i + 1] != ' ' && value[i + 1] != '\t'))) return false;
    if (!is_white(c) && (static_cast<unsigned char>(c) < 0x21 || c == '\x7f')) return false;
  }
  return is_ascii(value) || is_utf8(value);
}

bool has_duplicate(const std::vector<Tag>& tags) {
  std::vector<std::string_view> names;
  names.reserve(tags.size());
  for (const Tag& tag : tags) names.push_back(tag.name);
  std::ranges::sort(names);
  return std::ranges::adjacent_find(names) != names.end();
}

}  // namespace

Result<TagList> TagList::parse(std::string_view text) {
  if (text.size() > limits::tag_list_octets_max) return fail(ErrorKind::too_large, "tag list too long");
  TagList list;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(';', begin), text.size());
    const std::string_view spec = text.substr(begin, end - begin);
    if (end == text.size() && !list.tags_.empty() && trim(spec).empty()) break;  // after the last ";"
    const std::size_t equals = spec.find('=');
    if (equals == std::string_view::npos) return fail(ErrorKind::invalid, "tag without =");
    const Tag tag{trim(spec.substr(0, equals)), trim(spec.substr(equals + 1)), begin + equals + 1, end};
    if (!is_tag_name(tag.name)) return fail(ErrorKind::invalid, "bad tag name");
    if (!is_tag_value(tag.value)) return fail(ErrorKind::invalid, "bad octet in a tag value");
    if (list.tags_.size() == limits::tags_max) return fail(ErrorKind::too_large, "too many tags");
    list.tags_.push_back(tag);
    begin = end + 1;
  }
  if (list.tags_.empty()) return fail(ErrorKind::invalid, "no tags");
  if (has_duplicate(list.tags_)) return fail(ErrorKind::invalid, "tag stands twice");
  return list;
}

const Tag* TagList::find(std::string_view name) const noexcept {
  const auto found = std::ranges::find(tags_, name, &Tag::name);
  return found == tags_.end() ? nullptr : &*found;
}

std::optional<std::string_view> TagList::value(std::string_view name) const noexcept {
  const Tag* tag = find(name);
  if (!tag) return std::nullopt;
  return tag->value;
}

std::string without_white_space(std::string_view value) {
  std::string out;
  out.reserve(value.size());
  std::ranges::copy_if(value, std::back_inserter(out), [](char c) { return !is_white(c); });
  return out;
}

std::vector<std::string_view> split_colons(std::string_view value) {
  std::vector<std::string_view> items;
  while (true) {
    const std::size_t colon = value.find(':');
    items.push_back(trim(value.substr(0, colon)));
    if (colon == std::string_view::npos) return items;
    value.remove_prefix(colon + 1);
  }
}

}  // namespace keystonemail::mailauth
