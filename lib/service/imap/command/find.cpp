// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/imap/command/find.hpp"

#include <algorithm>
#include <utility>

#include "service/imap/search_compile.hpp"
#include "service/imap/selection.hpp"

namespace keystonemail::service::imap {

Task<std::expected<SearchFound, Reply>> find_messages(Session& session, const engine::SearchProgram& wanted, bool first_only) {
  MailboxView& view = *session.view();
  const auto names_wanted = [](const engine::SearchKey& key) {
    return key.op == engine::SearchOperator::keyword || key.op == engine::SearchOperator::unkeyword;
  };
  if (std::ranges::any_of(wanted.keys, names_wanted)) {
    const auto learnt = co_await session.keywords().refresh(session.store(), session.account(), session.working());
    if (!learnt) co_return std::unexpected(reply_for(learnt.error()));
  }
  const auto program = compile_search(wanted, view, session.keywords().names());
  if (!program) co_return std::unexpected(program.error());
  SearchOptions options{.now = session.wall_now(),
                              .want_modseqs = wanted.has(engine::SearchOperator::modseq),
                              .first_only = first_only,
                              .pause = session.pausing()};
  auto found = co_await run_search(session.store(), session.account(), view, *program, std::move(options), session.working());
  if (found) co_return *std::move(found);
  session.log_error("imap.search.failed", found.error());
  co_return std::unexpected(reply_for(found.error()));
}

Reply unknown_charset(MailboxView& view) {
  view.search_result.clear();
  return no(engine::ResponseCode::bad_charset({"US-ASCII", "UTF-8"}), "Unknown charset");
}

void save_result(MailboxView& view, std::span<const Sequence> sequences) {
  view.search_result = uid_ranges(view, engine::to_ranges(sequences));
}

}  // namespace keystonemail::service::imap
