// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/codec/case_fold.hpp"

#include <iterator>

#include "codec/case_fold_table.hpp"
#include "keystonemail/base/text.hpp"

namespace keystonemail::codec {
namespace {

// The folded form of `c`, or nothing when that is `c` itself.
std::string_view folded_form(char32_t c) {
  namespace table = case_fold_table;
  const std::size_t block = c / table::block_size;
  if (block >= std::size(table::index)) return {};
  const std::size_t place = table::blocks[table::index[block] * table::block_size + c % table::block_size];
  const auto* entry = table::pool + place;
  return {reinterpret_cast<const char*>(entry + 1), *entry};
}

// Unicode §3.12: a Hangul syllable is two or three letters.
void append_hangul(std::string& out, char32_t syllable) {
  const char32_t index = syllable - 0xac00;
  append_utf8(out, 0x1100 + index / 588);
  append_utf8(out, 0x1161 + index % 588 / 28);
  if (index % 28 != 0) append_utf8(out, 0x11a7 + index % 28);
}

}  // namespace

void append_folded(std::string& out, std::string_view utf8) {
  while (!utf8.empty()) {
    if (static_cast<unsigned char>(utf8.front()) < 0x80) {
      out.push_back(to_upper(utf8.front()));
      utf8.remove_prefix(1);
      continue;
    }
    const auto decoded = decode_utf8(utf8);
    const std::size_t octets = decoded ? decoded->octets : 1;
    const std::string_view form = decoded ? folded_form(decoded->value) : std::string_view();
    if (decoded && decoded->value >= 0xac00 && decoded->value <= 0xd7a3) append_hangul(out, decoded->value);
    else out += form.empty() ? utf8.substr(0, octets) : form;
    utf8.remove_prefix(octets);
  }
}

std::string fold_case(std::string_view utf8) {
  std::string out;
  out.reserve(utf8.size());
  append_folded(out, utf8);
  return out;
}

}  // namespace keystonemail::codec
