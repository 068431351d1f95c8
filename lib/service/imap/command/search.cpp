// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// SEARCH and UID SEARCH (RFC 9051 §6.4.4), with RETURN (RFC 4731), SAVE (RFC 5182) and MODSEQ (RFC 7162 §3.1.5).
#include <algorithm>

#include "service/imap/command/commands.hpp"
#include "service/imap/search_compile.hpp"
#include "service/imap/search_run.hpp"
#include "service/imap/selection.hpp"
#include "service/imap/session.hpp"

namespace keystonemail::service::imap {

namespace {

// Whether the result is what SAVE with MIN or MAX alone keeps (RFC 9051 §6.4.4.1, table 4).
bool ends_only(const engine::SearchReturn& give) noexcept { return (give.min || give.max) && !give.all && !give.count; }

// Leaves the first and last match where no more is asked for.
void keep_ends(const engine::SearchReturn& give, SearchFound& found) {
  if (!ends_only(give) || found.sequences.empty()) return;
  const auto cut = [&](auto& list) {
    if (list.empty()) return;
    if (!give.max) return list.resize(1);
    if (!give.min) list.erase(list.begin(), list.end() - 1);
    if (list.size() > 2) list.erase(list.begin() + 1, list.end() - 1);
  };
  cut(found.sequences);
  cut(found.modseqs);
}

void save(MailboxView& view, std::span<const Sequence> sequences) {
  view.search_result = uid_ranges(view, engine::to_ranges(sequences));
}

void write_result(Session& session, const engine::Search& command, const SearchFound& found) {
  std::vector<std::uint32_t> numbers = found.sequences;
  if (command.numbers == engine::NumberKind::uid) {
    for (std::uint32_t& number : numbers) number = session.view()->uids.uid_of(number);
  }
  const auto ranges = engine::to_ranges(numbers);
  engine::SearchResult result{.kind = command.numbers, .give = command.give, .numbers = ranges};
  if (!found.modseqs.empty()) result.highest_modseq = *std::ranges::max_element(found.modseqs);
  session.out().search(session.tag(), result);
}

}  // namespace

Task<Reply> execute(Session& session, engine::Search command) {
  const engine::SearchReturn& give = command.give;
  MailboxView& view = *session.view();
  const auto names_wanted = [](const engine::SearchKey& key) {
    return key.op == engine::SearchOperator::keyword || key.op == engine::SearchOperator::unkeyword;
  };
  if (std::ranges::any_of(command.program.keys, names_wanted)) {
    const auto learnt = co_await session.keywords().refresh(session.store(), session.account(), session.working());
    if (!learnt) co_return reply_for(learnt.error());
  }
  const auto program = compile_search(command.program, view, session.keywords().names());
  if (!program) co_return program.error();
  const SearchOptions options{.now = session.wall_now(),
                              .want_modseqs = command.program.has(engine::SearchOperator::modseq),
                              .first_only = give.min && !give.max && !give.all && !give.count};
  auto found = co_await run_search(session.store(), session.account(), view, *program, options, session.working());
  if (!found) {
    if (give.save) view.search_result.clear();
    session.log_error("imap.search.failed", found.error());
    co_return reply_for(found.error());
  }
  keep_ends(give, *found);
  if (give.save) save(view, found->sequences);
  const bool only_saved = give.given && give.save && !give.min && !give.max && !give.all && !give.count;
  if (!only_saved) write_result(session, command, *found);
  co_return ok("SEARCH completed");
}

}  // namespace keystonemail::service::imap
