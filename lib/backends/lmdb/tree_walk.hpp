// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// TreeWalk: all pages that one state of a data file refers to, each held against what LMDB would have written.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "backends/lmdb/page_file.hpp"

namespace keystonemail::lmdb {

// Goes round damage: what hangs below a damaged page is left out, the rest is visited. Ownership: borrows the file.
class TreeWalk {
 public:
  // A row of a table, value as stored.
  using Visit = std::function<void(std::string_view table, std::string_view key, std::string_view stored)>;

  TreeWalk(const PageFile& file, const Meta& meta);
  void run(const Visit& visit = {});

  // Empty: nothing is wrong. The first hundred.
  [[nodiscard]] const std::vector<std::string>& findings() const noexcept { return findings_; }
  // Whether the state uses the page, or has it on its list of free ones.
  [[nodiscard]] bool is_accounted(std::uint64_t page) const { return page < seen_.size() && seen_[page]; }

  // The rows of one page, when it is a sound leaf, wherever it belongs. For pages that nothing leads to any more.
  void visit_lone_leaf(std::uint64_t page, const std::function<void(std::string_view key, std::string_view stored)>& visit);

 private:
  enum class Kind : std::uint8_t { free, tables, rows };
  struct Tree {
    Kind kind = Kind::rows;
    std::string name;
    TreeRecord record;
  };
  struct Todo {
    std::uint64_t page;
    unsigned depth;
  };

  void walk(const Tree& tree, const Visit& visit);
  [[nodiscard]] bool take(std::uint64_t first, std::uint64_t count, const char* what);
  [[nodiscard]] bool load_page(std::uint64_t page, std::vector<char>& out);
  [[nodiscard]] const char* fault_of(std::uint64_t number, const std::vector<char>& page, Kind kind) const;
  void visit_branch(const std::vector<char>& page, unsigned depth, std::vector<Todo>& todo);
  void visit_leaf(const Tree& tree, std::uint64_t number, const std::vector<char>& page, const Visit& visit);
  [[nodiscard]] std::optional<std::string> value_of(const std::vector<char>& page, std::size_t at, bool account);
  void visit_free_list(std::uint64_t number, std::string_view list);
  void damaged(std::uint64_t page, std::string_view what);

  const PageFile& file_;
  Meta meta_;
  std::vector<bool> seen_;
  std::vector<Tree> tables_;
  std::vector<std::string> findings_;
};

}  // namespace keystonemail::lmdb
