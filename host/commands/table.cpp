// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "commands/table.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace keystonemail::host {
namespace {

// Characters, which is what a terminal counts, but for wide ones.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

void append_cell(std::string& out, std::string_view text, std::size_t width, Side side, bool is_last) {
  const std::string blanks(width - std::min(width, width_of(text)), ' ');
  if (side == Side::right) out += blanks;
  out += text;
  if (side == Side::left && !is_last) out += blanks;
  out += is_last ? "\n" : "  ";
}

}  // namespace

void Table::add(std::vector<std::string> cells) {
  assert(cells.size() == columns_.size());
  rows_.push_back(std::move(cells));
}

std::string Table::text() const {
  std::string out;
  if (rows_.empty()) return out;
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    widths.push_back(columns_[i].title.size());
    for (const auto& row : rows_) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  const std::size_t last = columns_.size() - 1;
  for (std::size_t i = 0; i <= last; ++i) append_cell(out, columns_[i].title, widths[i], columns_[i].side, i == last);
  for (const auto& row : rows_)
    for (std::size_t i = 0; i <= last; ++i) append_cell(out, row[i], widths[i], columns_[i].side, i == last);
  return out;
}

}  // namespace keystonemail::host
