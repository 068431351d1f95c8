// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <algorithm>
#include <array>
#include <cstdint>

#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/hex.hpp"
#include "keystonemail/mime/section.hpp"

namespace keystonemail::mime {
namespace {

struct NamedCharacter {
  std::string_view name;
  char32_t value;
};
// Those that mail is full of; others stay as they are written.
constexpr std::array entities = {
    NamedCharacter{"amp", '&'},       NamedCharacter{"lt", '<'},       NamedCharacter{"gt", '>'},       NamedCharacter{"quot", '"'},
    NamedCharacter{"apos", '\''},     NamedCharacter{"nbsp", ' '},     NamedCharacter{"shy", 0xad},     NamedCharacter{"copy", 0xa9},
    NamedCharacter{"reg", 0xae},      NamedCharacter{"trade", 0x2122}, NamedCharacter{"euro", 0x20ac},  NamedCharacter{"ndash", 0x2013},
    NamedCharacter{"mdash", 0x2014},  NamedCharacter{"lsquo", 0x2018}, NamedCharacter{"rsquo", 0x2019}, NamedCharacter{"ldquo", 0x201c},
    NamedCharacter{"rdquo", 0x201d},  NamedCharacter{"hellip", 0x2026}, NamedCharacter{"bull", 0x2022}, NamedCharacter{"middot", 0xb7},
    NamedCharacter{"laquo", 0xab},    NamedCharacter{"raquo", 0xbb},   NamedCharacter{"zwnj", 0x200c},  NamedCharacter{"auml", 0xe4},
    NamedCharacter{"ouml", 0xf6},     NamedCharacter{"uuml", 0xfc},    NamedCharacter{"Auml", 0xc4},    NamedCharacter{"Ouml", 0xd6},
    NamedCharacter{"Uuml", 0xdc},     NamedCharacter{"szlig", 0xdf},   NamedCharacter{"eacute", 0xe9},  NamedCharacter{"egrave", 0xe8},
    NamedCharacter{"agrave", 0xe0},   NamedCharacter{"ccedil", 0xe7}};

constexpr std::size_t entity_octets_max = 12;

// Elements whose content is not text to read.
constexpr std::array<std::string_view, 5> hidden_elements = {"script", "style", "head", "title", "template"};

// Elements that sit inside a line; all others part words.
constexpr std::array<std::string_view, 14> inline_elements = {"a",    "b",     "i",   "u",   "em",  "strong", "span",
                                                              "font", "small", "sub", "sup", "big", "code",   "wbr"};

class HtmlReader {
 public:
  HtmlReader(std::string_view html, std::size_t characters_max) : rest_(html), characters_left_(characters_max) {}

  std::string read() {
    while (!rest_.empty() && characters_left_ > 0) {
      const char c = rest_.front();
      if (c == '<') {
        skip_markup();
      } else if (c == '&') {
        take_entity();
      } else if (static_cast<unsigned char>(c) <= ' ') {
        blank_ = true;
        rest_.remove_prefix(1);
      } else {
        const auto decoded = decode_utf8(rest_);
        put(rest_.substr(0, decoded ? decoded->octets : 1));
        rest_.remove_prefix(decoded ? decoded->octets : 1);
      }
    }
    return std::move(out_);
  }

 private:
  void put(std::string_view character) {
    if (blank_ && !out_.empty() && characters_left_ > 1) {
      out_.push_back(' ');
      --characters_left_;
    }
    blank_ = false;
    out_ += character;
    --characters_left_;
  }

  // A tag, comment or declaration. A '<' that begins none is text. What is not closed ends with the text; looking
  // for an end that is not there happens once, so time stays linear (attack C7).
  void skip_markup() {
    if (rest_.starts_with("<!--")) return skip_past("-->");
    std::string_view name = rest_.substr(1);
    const bool closing = name.starts_with('/');
    if (closing) name.remove_prefix(1);
    const bool declaration = name.starts_with('!') || name.starts_with('?');
    if (name.empty() || (!is_alpha(name.front()) && !declaration)) {
      put("<");
      rest_.remove_prefix(1);
      return;
    }
    std::size_t length = 0;
    while (length < name.size() && length < 16 && (is_alpha(name[length]) || is_digit(name[length]))) ++length;
    name = name.substr(0, length);
    const auto is_name = [name](std::string_view known) { return iequals(known, name); };
    if (std::ranges::none_of(inline_elements, is_name)) blank_ = true;
    skip_tag();
    if (!closing && std::ranges::any_of(hidden_elements, is_name)) skip_element(name);
  }

  void skip_past(std::string_view end) {
    const std::size_t at = rest_.find(end);
    rest_.remove_prefix(at == std::string_view::npos ? rest_.size() : at + end.size());
  }

  // Quoted attribute values may hold a '>'.
  void skip_tag() {
    char quote = '\0';
    std::size_t i = 1;
    for (; i < rest_.size(); ++i) {
      const char c = rest_[i];
      if (quote != '\0') {
        if (c == quote) quote = '\0';
      } else if ((c == '"' || c == '\'') && rest_[i - 1] == '=') {
        quote = c;
      } else if (c == '>') {
        break;
      }
    }
    rest_.remove_prefix(std::min(i + 1, rest_.size()));
  }

  // To the closing tag of `name`.
  void skip_element(std::string_view name) {
    const std::string element(name);
    while (true) {
      const std::size_t open = rest_.find("</");
      if (open == std::string_view::npos) {
        rest_ = {};
        return;
      }
      rest_.remove_prefix(open);
      if (istarts_with(rest_.substr(2), element)) return skip_tag();
      rest_.remove_prefix(2);
    }
  }

  void take_entity() {
    const std::size_t end = rest_.substr(0, entity_octets_max).find(';');
    const auto value = end == std::string_view::npos ? std::nullopt : entity_value(rest_.substr(1, end - 1));
    if (!value) {
      put("&");
      rest_.remove_prefix(1);
      return;
    }
    rest_.remove_prefix(end + 1);
    if (*value == ' ' || *value == 0xa0 || *value < ' ') {
      blank_ = true;
      return;
    }
    std::string character;
    append_utf8(character, *value);
    put(character);
  }

  static std::optional<char32_t> entity_value(std::string_view name) {
    if (!name.starts_with('#')) {
      const auto found = std::ranges::find(entities, name, &NamedCharacter::name);
      if (found == entities.end()) return std::nullopt;
      return found->value;
    }
    name.remove_prefix(1);
    if (!name.starts_with('x') && !name.starts_with('X')) {
      const auto value = parse_decimal(name, 0x10ffff);
      if (!value) return std::nullopt;
      return static_cast<char32_t>(*value);
    }
    char32_t value = 0;
    for (const char c : name.substr(1)) {
      if (codec::hex_digit(c) < 0) return std::nullopt;
      value = value << 4 | static_cast<char32_t>(codec::hex_digit(c));
      if (value > 0x10ffff) return std::nullopt;
    }
    return value;
  }

  std::string_view rest_;
  std::size_t characters_left_;
  std::string out_;
  bool blank_ = false;
};

}  // namespace

std::string html_to_text(std::string_view html, std::size_t characters_max) {
  return HtmlReader(html, characters_max).read();
}

}  // namespace keystonemail::mime
