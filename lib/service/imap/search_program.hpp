// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// SearchProgram: SEARCH keys (RFC 9051 §6.4.4) made ready to be asked of one message after another.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/mailstore/keywords.hpp"
#include "keystonemail/mailstore/mailstore.hpp"
#include "service/imap/uid_list.hpp"

namespace keystonemail::service::imap {

// What has to be read to answer a test, cheapest first.
enum class Cost : std::uint8_t { view, row, summary, header, body };

enum class Test : std::uint8_t {
  always, never,                                  // view
  sequence_in, uid_in,
  system_keyword, deleted, keyword,               // row
  received_before, received_on, received_since,   // the internal date's day, in UTC
  saved_before, saved_on, saved_since,            // RFC 8514
  received_within, received_earlier,              // RFC 5032 YOUNGER, OLDER: since, before `number` in ms
  larger, smaller, modified,                      // modified: at or after modseq `number` (RFC 7162 §3.1.5)
  email, thread,                                  // RFC 8474
  sent_before, sent_on, sent_since,               // summary
  from, to, cc, bcc, subject, message_id,
  header,                                         // header: `field` has `needle`
  body, text,                                     // body
};

[[nodiscard]] Cost cost_of(Test test) noexcept;

struct Leaf {
  Test test = Test::always;
  std::uint64_t number = 0;              // keyword, octets, modseq, id; of system_keyword its bits
  std::chrono::sys_days day{};
  std::vector<UidRange> set = {};        // UIDs or sequence numbers, ascending and disjoint
  std::string field = {};
  std::string needle = {};               // folded (codec::fold_case)
};

enum class Tri : std::uint8_t { no, yes, unknown };
enum class Combine : std::uint8_t { all_of, any_of, none_of };

// Built front to back: open(all_of) leaf(...) leaf(...) close(). Evaluated without recursion, stopping early.
//
// Limits: depth_max levels. Evaluation is linear in the nodes it cannot skip.
class SearchProgram {
 public:
  static constexpr std::size_t depth_max = 1024;

  void leaf(Leaf leaf);
  void open(Combine combine);            // REQUIRES: fewer than depth_max are open
  void close();
  [[nodiscard]] std::size_t open_levels() const noexcept { return open_.size(); }

  [[nodiscard]] const std::vector<Leaf>& leaves() const noexcept { return leaves_; }
  [[nodiscard]] Cost cost() const noexcept { return cost_; }       // of the dearest test
  [[nodiscard]] std::size_t nodes() const noexcept { return nodes_.size(); }

  // Whether anything can be told from the view alone.
  [[nodiscard]] bool tests_view() const noexcept { return tests_view_; }

  struct Level {
    Combine combine = Combine::all_of;
    std::uint32_t end = 0;
    bool unknown = false;
  };
  // What evaluation needs, made once for many messages.
  struct Work {
    explicit Work(const SearchProgram& program) : levels(program.depth_ + 1) {}
    std::vector<Level> levels;
    std::uint64_t steps = 0;             // grows by the nodes asked
  };
  // `ask(leaf index)` gives what is known. REQUIRES: every open() has been closed; `work` was made for this program.
  template <class Ask>
  [[nodiscard]] Tri evaluate(Ask&& ask, Work& work) const;

 private:
  struct Node {
    bool is_leaf;
    Combine combine;
    std::uint32_t value;                 // a leaf's index, or the node after the last one inside
  };

  std::vector<Node> nodes_;
  std::vector<Leaf> leaves_;
  std::vector<std::uint32_t> open_;
  std::size_t depth_ = 0;                // the most levels that were open at once
  Cost cost_ = Cost::view;
  bool tests_view_ = false;
};

template <class Ask>
Tri SearchProgram::evaluate(Ask&& ask, Work& work) const {
  std::vector<Level>& levels = work.levels;
  levels[0] = {Combine::all_of, static_cast<std::uint32_t>(nodes_.size()), false};
  std::size_t depth = 1;
  for (std::uint32_t at = 0;;) {
    Tri value;
    ++work.steps;
    if (at == levels[depth - 1].end) {   // a level is through without being settled early
      const Level& done = levels[--depth];
      value = done.unknown ? Tri::unknown : done.combine == Combine::any_of ? Tri::no : Tri::yes;
    } else if (const Node& node = nodes_[at]; node.is_leaf) {
      ++at;
      value = ask(node.value);
    } else {
      levels[depth++] = {node.combine, node.value, false};
      ++at;
      continue;
    }
    // Hands the value to the level around it, which may settle that one too, and so outwards.
    for (;;) {
      if (depth == 0) return value;
      Level& level = levels[depth - 1];
      const Tri settling = level.combine == Combine::all_of ? Tri::no : Tri::yes;
      if (value == Tri::unknown) level.unknown = true;
      if (value != settling) break;
      at = level.end;
      value = level.combine == Combine::any_of ? Tri::yes : Tri::no;
      --depth;
    }
  }
}

}  // namespace keystonemail::service::imap
