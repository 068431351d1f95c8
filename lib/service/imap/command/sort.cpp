// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// SORT and UID SORT (RFC 5256), with RETURN (RFC 5267 §3), SAVE (RFC 5182) and MODSEQ (RFC 7162 §3.1.6).
#include <algorithm>

#include "service/imap/command/find.hpp"
#include "service/imap/sort_messages.hpp"

namespace keystonemail::service::imap {

namespace {

using Order = std::vector<std::uint32_t>;  // places in SearchFound::sequences

void keep_ends(const engine::SearchReturn& give, Order& order) {
  if (!ends_only(give) || order.empty()) return;
  if (!give.max) return order.resize(1);
  order.erase(give.min ? order.begin() + 1 : order.begin(), order.end() - 1);
}

// One after the other: the order stays. A run that ascends is one range.
std::vector<engine::NumberRange> in_order(const std::vector<std::uint32_t>& numbers) {
  std::vector<engine::NumberRange> ranges;
  for (const std::uint32_t number : numbers) {
    if (!ranges.empty() && ranges.back().last + 1 == number) ranges.back().last = number;
    else ranges.push_back({number, number});
  }
  return ranges;
}

void save(MailboxView& view, std::vector<Sequence> sequences) {
  std::ranges::sort(sequences);
  save_result(view, sequences);
}

void write_result(Session& session, const engine::Sort& command, const std::vector<Sequence>& sequences,
                  std::optional<ModSeq> highest_modseq) {
  std::vector<std::uint32_t> numbers = sequences;
  if (command.numbers == engine::NumberKind::uid) {
    for (std::uint32_t& number : numbers) number = session.view()->uids.uid_of(number);
  }
  if (!command.give.given) return session.out().sort(numbers, highest_modseq);
  const auto ranges = in_order(numbers);
  session.out().search(session.tag(), {.kind = command.numbers, .give = command.give, .numbers = ranges,
                                       .highest_modseq = highest_modseq});
}

}  // namespace

Task<Reply> execute(Session& session, engine::Sort command) {
  const engine::SearchReturn& give = command.give;
  MailboxView& view = *session.view();
  if (command.unknown_charset) co_return unknown_charset(view);
  const auto found = co_await find_messages(session, command.program, false);
  if (give.save && (found || found.error().kind == engine::StatusKind::no)) view.search_result.clear();  // unless all goes well
  if (!found) co_return found.error();
  const Pause pause = session.pausing();
  auto order = co_await sort_messages(session.store(), session.account(), view, found->sequences, command.criteria, pause,
                                      session.working());
  if (!order) {
    session.log_error("imap.sort.failed", order.error());
    co_return reply_for(order.error());
  }
  keep_ends(give, *order);
  std::vector<Sequence> sequences;
  std::optional<ModSeq> highest_modseq;
  for (const std::uint32_t place : *order) {
    sequences.push_back(found->sequences[place]);
    if (!found->modseqs.empty()) highest_modseq = std::max(highest_modseq.value_or(0), found->modseqs[place]);
  }
  if (give.save) save(view, sequences);
  if (!only_saved(give)) write_result(session, command, sequences, highest_modseq);
  co_return ok("SORT completed");
}

}  // namespace keystonemail::service::imap
