// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// SearchProgram: what SEARCH looks for, as a tree laid out flat (RFC 9051 §6.4.4; RFC 5032, 5182, 7162, 8474, 8514).
//
// Keys stand in prefix order: an operator, then its operands, each with all that belongs to it. To evaluate without
// recursion, walk from the back: a leaf pushes its result, an operator pops `operands` results and pushes one.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "keystonemail/imap/sequence_set.hpp"

namespace keystonemail::imap {

enum class SearchOperator : std::uint8_t {
  // Operators. all_of with no operands cannot occur.
  all_of, any_of, not_of,
  // Leaves without argument.
  all, answered, deleted, draft, flagged, seen, recent, fresh /* NEW */, old,
  unanswered, undeleted, undraft, unflagged, unseen,
  // set
  sequence, uid,
  // text
  keyword, unkeyword, bcc, cc, from, to, subject, body, text, email_id, thread_id,
  header,                                   // field and text; an empty text asks whether the field is there
  // date
  before, on, since, sent_before, sent_on, sent_since, saved_before, saved_on, saved_since,
  save_date_supported,                      // no argument
  // number
  larger, smaller, older, younger,          // octets; seconds
  modseq,                                   // at least `number` (RFC 7162 §3.1.5; the entry name is not kept)
};

struct SearchKey {
  SearchOperator op = SearchOperator::all;
  std::uint32_t operands = 0;               // of an operator
  std::uint64_t number = 0;
  std::chrono::sys_days date{};
  std::string field;                        // of header
  std::string text;                         // UTF-8
  SequenceSet set;
  friend bool operator==(const SearchKey&, const SearchKey&) = default;
};

struct SearchProgram {
  std::vector<SearchKey> keys;              // keys[0] is the root

  // Whether a key needs MODSEQ, which makes the client CONDSTORE-aware.
  [[nodiscard]] bool has(SearchOperator op) const noexcept;
  friend bool operator==(const SearchProgram&, const SearchProgram&) = default;
};

}  // namespace keystonemail::imap
