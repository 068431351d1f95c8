// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// SEARCH and UID SEARCH (RFC 9051 §6.4.4), with RETURN (RFC 4731), SAVE (RFC 5182) and MODSEQ (RFC 7162 §3.1.5).
#include <algorithm>

#include "service/imap/command/find.hpp"

namespace keystonemail::service::imap {

namespace {

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
  if (command.unknown_charset) co_return unknown_charset(view);
  auto found = co_await find_messages(session, command.program, give.min && !give.max && !give.all && !give.count);
  if (!found) {
    if (give.save && found.error().kind == engine::StatusKind::no) view.search_result.clear();  // BAD changes nothing (§6.4.4.1)
    co_return found.error();
  }
  keep_ends(give, *found);
  if (give.save) save_result(view, found->sequences);
  if (!only_saved(give)) write_result(session, command, *found);
  co_return ok("SEARCH completed");
}

}  // namespace keystonemail::service::imap
