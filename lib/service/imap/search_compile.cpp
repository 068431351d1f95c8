// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/imap/search_compile.hpp"

#include <algorithm>
#include <optional>

#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/case_fold.hpp"
#include "service/imap/selection.hpp"
#include "service/imap/special_use.hpp"

namespace keystonemail::service::imap {

namespace {

using engine::SearchKey;
using engine::SearchOperator;
using engine::SystemFlag;

constexpr std::uint64_t milliseconds_per_second = 1000;

// A leaf, or its opposite.
struct Compiled {
  Leaf leaf;
  bool negated = false;
};

Compiled flag(SystemFlag flag, bool negated = false) {
  if (flag == SystemFlag::deleted) return {{.test = Test::deleted}, negated};
  return {{.test = Test::system_keyword, .number = static_cast<std::uint64_t>(flag)}, negated};
}

Compiled text(Test test, const SearchKey& key) { return {{.test = test, .needle = codec::fold_case(key.text)}}; }
Compiled date(Test test, const SearchKey& key) { return {{.test = test, .day = key.date}}; }
Compiled number(Test test, std::uint64_t value) { return {{.test = test, .number = value}}; }

Compiled keyword(const SearchKey& key, std::span<const std::string> names, bool negated) {
  const auto found = std::ranges::find_if(names, [&](const std::string& name) { return iequals(name, key.text); });
  if (found == names.end()) return {{.test = Test::never}, negated};
  return {{.test = Test::keyword, .number = static_cast<std::uint64_t>(found - names.begin())}, negated};
}

Compiled object(Test test, std::string_view id, char kind) {
  const auto value = parse_object_id(id, kind);
  return value ? number(test, *value) : Compiled{{.test = Test::never}};
}

// Message-ID is what clients look for one message by, and the summary has it.
Compiled header(const SearchKey& key) {
  if (iequals(key.field, "message-id")) return text(Test::message_id, key);
  return {{.test = Test::header, .field = key.field, .needle = codec::fold_case(key.text)}};
}

// LENIENT: with "*" at one end the other may be past the last message, as with UIDs, and then it is the last, or in an empty mailbox
// none. RFC 9051 §9 names COPY, FETCH and STORE only; clients search for "1:*" without asking first whether there is anything.
engine::SequenceSet within(const engine::SequenceSet& set, Sequence size) {
  engine::SequenceSet result;
  for (engine::NumberRange range : set.ranges) {
    const bool open = range.first == engine::largest_number || range.last == engine::largest_number;
    if (open && size == 0) continue;
    if (open) range = {std::min(range.first, size), std::min(range.last, size)};
    result.ranges.push_back(range);
  }
  return result;
}

// Nothing for a sequence number that no message has.
std::optional<Compiled> set(const SearchKey& key, const MailboxView& view) {
  if (key.set.saved_result) return Compiled{{.test = Test::uid_in, .set = view.search_result}};
  if (key.op == SearchOperator::uid) return Compiled{{.test = Test::uid_in, .set = to_uid_ranges(key.set.resolve(view.uids.last()))}};
  const auto selection = select_messages(view, within(key.set, view.uids.size()), engine::NumberKind::sequence);
  if (!selection) return std::nullopt;
  return Compiled{{.test = Test::sequence_in, .set = to_uid_ranges(*selection)}};
}

std::optional<Compiled> compile(const SearchKey& key, const MailboxView& view, std::span<const std::string> names) {
  switch (key.op) {
    case SearchOperator::all_of: case SearchOperator::any_of: case SearchOperator::not_of: break;
    case SearchOperator::all: case SearchOperator::save_date_supported: return Compiled{{.test = Test::always}};
    // \Recent is never set (RFC 9051 §2.3.2 has done away with it): nothing is recent or new, everything is old.
    case SearchOperator::recent: case SearchOperator::fresh: return Compiled{{.test = Test::never}};
    case SearchOperator::old: return Compiled{{.test = Test::always}};
    case SearchOperator::answered: return flag(SystemFlag::answered);
    case SearchOperator::deleted: return flag(SystemFlag::deleted);
    case SearchOperator::draft: return flag(SystemFlag::draft);
    case SearchOperator::flagged: return flag(SystemFlag::flagged);
    case SearchOperator::seen: return flag(SystemFlag::seen);
    case SearchOperator::unanswered: return flag(SystemFlag::answered, true);
    case SearchOperator::undeleted: return flag(SystemFlag::deleted, true);
    case SearchOperator::undraft: return flag(SystemFlag::draft, true);
    case SearchOperator::unflagged: return flag(SystemFlag::flagged, true);
    case SearchOperator::unseen: return flag(SystemFlag::seen, true);
    case SearchOperator::sequence: case SearchOperator::uid: return set(key, view);
    case SearchOperator::keyword: return keyword(key, names, false);
    case SearchOperator::unkeyword: return keyword(key, names, true);
    case SearchOperator::bcc: return text(Test::bcc, key);
    case SearchOperator::cc: return text(Test::cc, key);
    case SearchOperator::from: return text(Test::from, key);
    case SearchOperator::to: return text(Test::to, key);
    case SearchOperator::subject: return text(Test::subject, key);
    case SearchOperator::body: return text(Test::body, key);
    case SearchOperator::text: return text(Test::text, key);
    case SearchOperator::email_id: return object(Test::email, key.text, email_id_kind);
    case SearchOperator::thread_id: return object(Test::thread, key.text, thread_id_kind);
    case SearchOperator::header: return header(key);
    case SearchOperator::before: return date(Test::received_before, key);
    case SearchOperator::on: return date(Test::received_on, key);
    case SearchOperator::since: return date(Test::received_since, key);
    case SearchOperator::sent_before: return date(Test::sent_before, key);
    case SearchOperator::sent_on: return date(Test::sent_on, key);
    case SearchOperator::sent_since: return date(Test::sent_since, key);
    case SearchOperator::saved_before: return date(Test::saved_before, key);
    case SearchOperator::saved_on: return date(Test::saved_on, key);
    case SearchOperator::saved_since: return date(Test::saved_since, key);
    case SearchOperator::larger: return number(Test::larger, key.number);
    case SearchOperator::smaller: return number(Test::smaller, key.number);
    case SearchOperator::older: return number(Test::received_earlier, key.number * milliseconds_per_second);
    case SearchOperator::younger: return number(Test::received_within, key.number * milliseconds_per_second);
    case SearchOperator::modseq: return number(Test::modified, key.number);
  }
  return Compiled{{.test = Test::never}};
}

std::optional<Combine> combine_of(SearchOperator op) noexcept {
  switch (op) {
    case SearchOperator::all_of: return Combine::all_of;
    case SearchOperator::any_of: return Combine::any_of;
    case SearchOperator::not_of: return Combine::none_of;
    default: return std::nullopt;
  }
}

}  // namespace

std::expected<SearchProgram, Reply> compile_search(const engine::SearchProgram& program, const MailboxView& view,
                                                   std::span<const std::string> keyword_names) {
  SearchProgram result;
  std::vector<std::uint32_t> due;  // operands that each open level still wants
  for (const SearchKey& key : program.keys) {
    if (const auto combine = combine_of(key.op)) {
      if (result.open_levels() + 1 >= SearchProgram::depth_max) {
        return std::unexpected(no(engine::Code::limit, "Search keys are nested too deep"));
      }
      result.open(*combine);
      due.push_back(key.operands);
      if (key.operands != 0) continue;
    } else {
      auto compiled = compile(key, view, keyword_names);
      if (!compiled) return std::unexpected(bad("No message has such a number"));
      if (compiled->negated) result.open(Combine::none_of);
      result.leaf(std::move(compiled->leaf));
      if (compiled->negated) result.close();
      if (!due.empty()) --due.back();
    }
    while (!due.empty() && due.back() == 0) {  // a level that is complete is one operand of the level around it
      result.close();
      due.pop_back();
      if (!due.empty()) --due.back();
    }
  }
  return result;
}

}  // namespace keystonemail::service::imap
