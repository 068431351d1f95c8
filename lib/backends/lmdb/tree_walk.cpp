// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/lmdb/tree_walk.hpp"

#include <algorithm>

#include "base/format.hpp"

namespace keystonemail::lmdb {
namespace {

constexpr std::size_t tree_findings_max = 100;
constexpr unsigned depth_max = 32;            // LMDB's CURSOR_STACK
constexpr std::size_t key_octets_max = 511;   // LMDB's default
constexpr std::uint64_t value_octets_max = 1ULL << 31;

std::size_t count_nodes(const std::vector<char>& page) {
  return (load<std::uint16_t>(page.data() + 12) - page_header_octets) / 2;
}
std::uint16_t node_at(const std::vector<char>& page, std::size_t index) {
  return load<std::uint16_t>(page.data() + page_header_octets + 2 * index);
}
bool is_leaf(const std::vector<char>& page) { return (load<std::uint16_t>(page.data() + 10) & leaf_page) != 0; }
std::uint32_t data_octets(const char* node) noexcept { return load<std::uint32_t>(node); }
std::uint16_t flags_of(const char* node) noexcept { return load<std::uint16_t>(node + 4); }
std::string_view key_of(const char* node) noexcept { return {node + node_header_octets, load<std::uint16_t>(node + 6)}; }
std::uint64_t child_of(const char* node) noexcept {
  return load<std::uint16_t>(node) | static_cast<std::uint64_t>(load<std::uint16_t>(node + 2)) << 16 |
         static_cast<std::uint64_t>(load<std::uint16_t>(node + 4)) << 32;
}

}  // namespace

TreeWalk::TreeWalk(const PageFile& file, const Meta& meta)
    : file_(file), meta_(meta),
      seen_(std::min(meta.last_page, file.octets() / meta.page_octets) + 1) {}

void TreeWalk::run(const Visit& visit) {
  if (meta_.tables.flags != 0) damaged(0, "has a tree of tables of another kind");
  walk({Kind::tables, {}, meta_.tables}, visit);
  const auto tables = tables_;
  for (const Tree& table : tables) walk(table, visit);
  walk({Kind::free, {}, meta_.free}, visit);  // last: what is free must be used by none of the others
}

void TreeWalk::walk(const Tree& tree, const Visit& visit) {
  if (tree.record.root == no_page) {
    if (tree.record.depth != 0) damaged(0, "has an empty tree with a depth");
    return;
  }
  std::vector<Todo> todo{{tree.record.root, 1}};
  std::vector<char> page;
  while (!todo.empty()) {
    const auto [number, depth] = todo.back();
    todo.pop_back();
    if (!take(number, 1, "page of a tree")) continue;
    if (!load_page(number, page)) {
      damaged(number, "cannot be read");
      continue;
    }
    const char* fault = fault_of(number, page, tree.kind);
    if (fault == nullptr && depth > depth_max) fault = "is too deep in its tree";
    if (fault == nullptr && is_leaf(page) != (depth == tree.record.depth)) fault = "is at the wrong depth";
    if (fault != nullptr) {
      damaged(number, fault);
      continue;
    }
    if (is_leaf(page)) visit_leaf(tree, number, page, visit);
    else visit_branch(page, depth, todo);
  }
}

bool TreeWalk::take(std::uint64_t first, std::uint64_t count, const char* what) {
  const std::uint64_t pages = std::min(meta_.last_page + 1, file_.octets() / meta_.page_octets);
  if (first < first_tree_page || count > pages || first > pages - count) {
    damaged(first, format("{} is outside of the file", what));
    return false;
  }
  for (auto page = first; page < first + count; ++page) {
    if (!seen_[page]) continue;
    damaged(page, format("{} is used twice", what));
    return false;
  }
  for (auto page = first; page < first + count; ++page) seen_[page] = true;
  return true;
}

bool TreeWalk::load_page(std::uint64_t page, std::vector<char>& out) {
  out.resize(meta_.page_octets);
  return file_.read(out.data(), out.size(), page * meta_.page_octets);
}

// What is wrong with a page of a tree, if anything: each of its nodes lies within it, and its keys ascend.
const char* TreeWalk::fault_of(std::uint64_t number, const std::vector<char>& page, Kind kind) const {
  const auto flags = load<std::uint16_t>(page.data() + 10) & kinds_of_page;
  const auto lower = load<std::uint16_t>(page.data() + 12), upper = load<std::uint16_t>(page.data() + 14);
  if (load<std::uint64_t>(page.data()) != number) return "has another page's number";
  if (flags != branch_page && flags != leaf_page) return "is no page of a tree";
  if (lower < page_header_octets || lower % 2 != 0 || lower > upper || upper > page.size()) return "has impossible bounds";
  if (count_nodes(page) == 0 || (flags == branch_page && count_nodes(page) < 2)) return "has too few nodes";
  std::string_view before;
  for (std::size_t i = 0; i < count_nodes(page); ++i) {
    const std::size_t at = node_at(page, i);
    if (at < upper || at % 2 != 0 || at + node_header_octets > page.size()) return "has a node outside";
    const char* node = page.data() + at;
    const auto key = key_of(node);
    if (key.size() > key_octets_max || at + node_header_octets + key.size() > page.size()) return "has a key outside";
    const bool has_no_key = flags == branch_page && i == 0;  // LMDB keeps none there, or one that does not count
    if (!has_no_key && kind == Kind::free && key.size() != sizeof(std::uint64_t)) return "has a key of the wrong length";
    if (i > 0 && !(flags == branch_page && i == 1)) {
      const bool ascends = kind == Kind::free ? load<std::uint64_t>(before.data()) < load<std::uint64_t>(key.data()) : before < key;
      if (!ascends) return "has keys out of order";
    }
    before = key;
    if (flags == branch_page) continue;
    const bool is_big = (flags_of(node) & big_node) != 0;
    if ((flags_of(node) & ~(big_node | (kind == Kind::tables ? table_node : 0))) != 0) return "has a node of another kind";
    const std::size_t inside = is_big ? sizeof(std::uint64_t) : data_octets(node);
    if (at + node_header_octets + key.size() + inside > page.size()) return "has a value outside";
  }
  return nullptr;
}

void TreeWalk::visit_branch(const std::vector<char>& page, unsigned depth, std::vector<Todo>& todo) {
  for (std::size_t i = 0; i < count_nodes(page); ++i) todo.push_back({child_of(page.data() + node_at(page, i)), depth + 1});
}

void TreeWalk::visit_leaf(const Tree& tree, std::uint64_t number, const std::vector<char>& page, const Visit& visit) {
  for (std::size_t i = 0; i < count_nodes(page); ++i) {
    const char* node = page.data() + node_at(page, i);
    const auto value = value_of(page, node_at(page, i), true);
    if (!value) continue;  // noted
    if (tree.kind == Kind::free) visit_free_list(number, *value);
    if (tree.kind == Kind::rows && visit) visit(tree.name, key_of(node), *value);
    if (tree.kind != Kind::tables) continue;
    if ((flags_of(node) & table_node) == 0 || value->size() != table_record_octets || load_tree(value->data()).flags != 0) {
      damaged(number, "has a table of another kind");
      continue;
    }
    tables_.push_back({Kind::rows, std::string(key_of(node)), load_tree(value->data())});
  }
}

std::optional<std::string> TreeWalk::value_of(const std::vector<char>& page, std::size_t at, bool account) {
  const char* node = page.data() + at;
  const char* data = node + node_header_octets + key_of(node).size();
  if ((flags_of(node) & big_node) == 0) return std::string(data, data_octets(node));
  const auto first = load<std::uint64_t>(data);
  const std::uint64_t octets = data_octets(node);
  const std::uint64_t count = (page_header_octets - 1 + octets) / meta_.page_octets + 1;
  if (octets > value_octets_max) return damaged(first, "has a value of impossible length"), std::nullopt;
  if (account ? !take(first, count, "value") : first + count > seen_.size() || first < first_tree_page) return std::nullopt;
  std::string run(count * meta_.page_octets, '\0');
  if (!file_.read(run.data(), run.size(), first * meta_.page_octets)) return damaged(first, "cannot be read"), std::nullopt;
  const bool sound = load<std::uint64_t>(run.data()) == first && load<std::uint32_t>(run.data() + 12) == count &&
                     (load<std::uint16_t>(run.data() + 10) & kinds_of_page) == overflow_page;
  if (!sound) {
    if (account) damaged(first, "is no value");
    return std::nullopt;
  }
  return run.substr(page_header_octets, octets);
}

// A count, then page numbers that descend.
void TreeWalk::visit_free_list(std::uint64_t number, std::string_view list) {
  constexpr std::size_t word = sizeof(std::uint64_t);
  const auto count = list.size() >= word ? load<std::uint64_t>(list.data()) : ~0ULL;
  if (count > list.size() / word - 1) return damaged(number, "has a list of free pages of impossible length");
  for (std::uint64_t i = 1, before = no_page; i <= count; ++i) {
    const auto page = load<std::uint64_t>(list.data() + i * word);
    if (page >= before) return damaged(number, "has a list of free pages out of order");
    before = page;
    // Free pages may lie behind the end of the file when they were never written.
    if (page < first_tree_page || page > meta_.last_page) damaged(page, "is free and outside");
    else if (is_accounted(page)) damaged(page, "is free and in use");
    else if (page < seen_.size()) seen_[page] = true;
  }
}

void TreeWalk::visit_lone_leaf(std::uint64_t number, const std::function<void(std::string_view, std::string_view)>& visit) {
  std::vector<char> page;
  if (!load_page(number, page) || fault_of(number, page, Kind::rows) != nullptr || !is_leaf(page)) return;
  for (std::size_t i = 0; i < count_nodes(page); ++i)
    if (const auto value = value_of(page, node_at(page, i), false)) visit(key_of(page.data() + node_at(page, i)), *value);
}

void TreeWalk::damaged(std::uint64_t page, std::string_view what) {
  if (findings_.size() < tree_findings_max) findings_.push_back(format("data.mdb page {}: {}", page, what));
}

}  // namespace keystonemail::lmdb
