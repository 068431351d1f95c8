// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/dns/name.hpp"

#include <algorithm>
#include <cassert>

#include "base/format.hpp"
#include "dns/escapes.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/idna.hpp"

namespace keystonemail::dns {
namespace {

// Where the first label of presentation text ends: at an unescaped dot, or at the end.
std::size_t label_end(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '.') return i;
    if (text[i] == '\\') ++i;  // \DDD has no dot in it either
  }
  return text.size();
}

void append_escaped(std::string& out, std::string_view label) {
  constexpr std::string_view special = ".\\\"();@$";
  for (const char c : label) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet <= 0x20 || octet >= 0x7f) {
      format_to(out, "\\{:03}", octet);
    } else {
      if (special.find(c) != std::string_view::npos) out += '\\';
      out += to_lower(c);
    }
  }
}

}  // namespace

std::optional<std::string> unescape(std::string_view label) {
  std::string out;
  for (std::size_t i = 0; i < label.size(); ++i) {
    if (label[i] != '\\') {
      out += label[i];
    } else if (++i == label.size()) {
      return std::nullopt;
    } else if (is_digit(label[i])) {
      if (label.size() - i < 3) return std::nullopt;
      const auto octet = parse_decimal(label.substr(i, 3), 255);
      if (!octet) return std::nullopt;
      out += static_cast<char>(*octet);
      i += 2;
    } else {
      out += label[i];
    }
  }
  return out;
}

std::optional<Name> Name::from_labels(std::span<const std::string_view> labels) {
  Name out;
  if (labels.empty()) return out;
  out.text_.clear();
  std::size_t octets = 1;
  for (const std::string_view label : labels) {
    octets += label.size() + 1;
    if (label.empty() || label.size() > limits::label_octets_max || octets > limits::name_octets_max) return std::nullopt;
    if (!out.text_.empty()) out.text_ += '.';
    append_escaped(out.text_, label);
  }
  return out;
}

std::optional<Name> Name::parse(std::string_view text) {
  if (text == ".") return Name();
  if (text.empty() || text.size() > limits::name_octets_max * 4) return std::nullopt;  // each octet as \DDD
  std::vector<std::string> labels;
  while (true) {
    const std::size_t end = label_end(text);
    auto label = unescape(text.substr(0, end));
    if (!label) return std::nullopt;
    labels.push_back(*std::move(label));
    if (end >= text.size()) break;
    text.remove_prefix(end + 1);
    if (text.empty()) break;  // the final dot
  }
  const std::vector<std::string_view> views(labels.begin(), labels.end());
  return from_labels(views);
}

std::optional<Name> Name::from_domain(std::string_view domain) {
  auto ascii = codec::to_ascii_domain(domain);
  if (!ascii || ascii->size() + 2 > limits::name_octets_max) return std::nullopt;
  Name out;
  out.text_ = *std::move(ascii);
  return out;
}

std::size_t Name::label_count() const noexcept {
  if (is_root()) return 0;
  std::size_t count = 0;
  for (std::string_view rest = text_; !rest.empty(); ++count) {
    rest.remove_prefix(std::min(label_end(rest) + 1, rest.size()));
  }
  return count;
}

std::vector<std::string> Name::labels() const {
  std::vector<std::string> out;
  if (is_root()) return out;
  for (std::string_view rest = text_; !rest.empty();) {
    const std::size_t end = label_end(rest);
    auto label = unescape(rest.substr(0, end));
    assert(label);
    out.push_back(*std::move(label));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return out;
}

Name Name::parent() const {
  assert(!is_root());
  Name out;
  const std::size_t end = label_end(text_);
  if (end < text_.size()) out.text_ = text_.substr(end + 1);
  return out;
}

bool Name::is_within(const Name& ancestor) const noexcept {
  if (ancestor.is_root() || *this == ancestor) return true;
  const std::size_t length = ancestor.text_.size();
  if (is_root() || text_.size() <= length || !std::string_view(text_).ends_with(ancestor.text_)) return false;
  // The dot before it must part two labels, not be an escaped one: walk the labels to see.
  for (std::string_view rest = text_; rest.size() > length;) {
    rest.remove_prefix(std::min(label_end(rest) + 1, rest.size()));
    if (rest.size() == length) return true;
  }
  return false;
}

std::optional<Name> Name::prefixed(std::string_view prefix) const {
  return parse(is_root() ? std::string(prefix) : std::string(prefix) + "." + text_);
}

std::string Name::wire() const {
  std::string out;
  for (const std::string& label : labels()) {
    out += static_cast<char>(label.size());
    out += label;
  }
  out += '\0';
  assert(out.size() <= limits::name_octets_max);
  return out;
}

Name reverse_name(const IpAddress& address) {
  std::string text;
  if (address.family() == IpAddress::Family::v4) {
    const auto& octets = address.octets();
    text = format("{}.{}.{}.{}.in-addr.arpa", octets[3], octets[2], octets[1], octets[0]);
  } else {
    for (std::size_t i = 16; i-- > 0;) format_to(text, "{:x}.{:x}.", address.octets()[i] & 15U, address.octets()[i] >> 4U);
    text += "ip6.arpa";
  }
  return *Name::parse(text);
}

}  // namespace keystonemail::dns
