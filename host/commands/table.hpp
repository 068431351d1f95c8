// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Columns that line up, on a terminal.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace keystonemail::host {

enum class Side : std::uint8_t { left, right };
struct Column {
  std::string_view title;
  Side side = Side::left;
};

// Ownership: a value. Cells are text that may be shown as it is.
class Table {
 public:
  explicit Table(std::initializer_list<Column> columns) : columns_(columns) {}
  // REQUIRES: as many as there are columns.
  void add(std::vector<std::string> cells);
  // With a line of titles; empty without rows.
  [[nodiscard]] std::string text() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace keystonemail::host
