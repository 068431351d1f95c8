// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// SORT and THREAD (RFC 5256).
#include <array>
#include <utility>

#include "base/try.hpp"
#include "imap/command/parse.hpp"
#include "keystonemail/base/text.hpp"

namespace keystonemail::imap {
namespace {

constexpr std::array<std::pair<std::string_view, SortField>, 7> fields{{
    {"ARRIVAL", SortField::arrival}, {"CC", SortField::cc}, {"DATE", SortField::date}, {"FROM", SortField::from},
    {"SIZE", SortField::size}, {"SUBJECT", SortField::subject}, {"TO", SortField::to}}};

constexpr std::size_t criteria_max = 16;

// sort-criterion = ["REVERSE" SP] sort-key
Parsed<SortCriterion> parse_criterion(Cursor& cursor) {
  const bool reverse = cursor.take_word("REVERSE");
  if (reverse) { KM_CHECK(cursor.space()); }
  const auto name = cursor.word();
  for (const auto& [text, field] : fields) {
    if (iequals(name, text)) return SortCriterion{field, reverse};
  }
  return std::unexpected(Fault::bad_sort);
}

// search-criteria = charset 1*(SP search-key)
Parsed<SearchProgram> parse_criteria(Cursor& cursor) {
  KM_CHECK(cursor.space());
  KM_TRY(const auto charset, parse_charset(cursor));
  KM_CHECK(cursor.space());
  return parse_search_program(cursor, charset);
}

}  // namespace

// sort = "SORT" [search-return-opts] SP "(" sort-criterion *(SP sort-criterion) ")" SP search-criteria
Parsed<CommandVariant> parse_sort(Cursor& cursor, NumberKind numbers) {
  Sort sort;
  sort.numbers = numbers;
  KM_CHECK(cursor.space());
  if (cursor.take_word("RETURN")) {
    KM_TRY(sort.give, parse_search_return(cursor));
    KM_CHECK(cursor.space());
  }
  KM_CHECK(cursor.open());
  do {
    KM_TRY(const auto criterion, parse_criterion(cursor));
    if (sort.criteria.size() == criteria_max) return std::unexpected(Fault::bad_sort);
    sort.criteria.push_back(criterion);
  } while (cursor.take(' '));
  KM_CHECK(cursor.close());
  auto program = parse_criteria(cursor);
  if (!program && program.error() == Fault::bad_charset && sort.give.save) {
    sort.unknown_charset = true;
    cursor.skip_rest();
    return sort;
  }
  if (!program) return std::unexpected(program.error());
  sort.program = *std::move(program);
  return sort;
}

// thread = "THREAD" SP thread-alg SP search-criteria
Parsed<CommandVariant> parse_thread(Cursor& cursor, NumberKind numbers) {
  Thread thread;
  thread.numbers = numbers;
  KM_CHECK(cursor.space());
  if (cursor.take_word("ORDEREDSUBJECT")) thread.algorithm = ThreadAlgorithm::ordered_subject;
  else if (!cursor.take_word("REFERENCES")) return std::unexpected(Fault::bad_thread_algorithm);
  KM_TRY(thread.program, parse_criteria(cursor));
  return thread;
}

}  // namespace keystonemail::imap
