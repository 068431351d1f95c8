// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "xml/writer.hpp"

#include <cassert>
#include <utility>

#include "keystonemail/base/text.hpp"

namespace keystonemail::xml {
namespace {

constexpr char32_t replacement = 0xfffd;

// XML 1.0 §2.2  Char
bool is_character(char32_t c) {
  return c == '\t' || c == '\n' || c == '\r' || (c >= 0x20 && c <= 0xd7ff) || (c >= 0xe000 && c <= 0xfffd) || (c >= 0x10000 && c <= 0x10ffff);
}

void append_escaped(std::string& out, std::string_view text) {
  while (!text.empty()) {
    const auto point = decode_utf8(text);
    const char32_t c = point && is_character(point->value) ? point->value : replacement;
    if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '&') out += "&amp;";
    else if (c == '\r') out += "&#13;";  // a bare one would be read as a line end
    else append_utf8(out, c);
    text.remove_prefix(point ? point->octets : 1);
  }
}

}  // namespace

Writer& Writer::open(std::string_view name, std::string_view xml_namespace) {
  indent();
  out_.append("<").append(name);
  if (!xml_namespace.empty()) out_.append(" xmlns=\"").append(xml_namespace).append("\"");
  out_ += ">\n";
  open_.emplace_back(name);
  return *this;
}

Writer& Writer::close() {
  assert(!open_.empty());
  const std::string name = std::move(open_.back());
  open_.pop_back();
  indent();
  out_.append("</").append(name).append(">\n");
  return *this;
}

Writer& Writer::element(std::string_view name, std::string_view text) {
  indent();
  out_.append("<").append(name).append(">");
  append_escaped(out_, text);
  out_.append("</").append(name).append(">\n");
  return *this;
}

std::string Writer::take() {
  assert(open_.empty());
  return std::move(out_);
}

}  // namespace keystonemail::xml
