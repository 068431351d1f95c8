// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// STORE and UID STORE (RFC 9051 §6.4.6), with UNCHANGEDSINCE (RFC 7162 §3.1.3).
#include <algorithm>
#include <span>

#include "base/try.hpp"
#include "service/imap/command/commands.hpp"
#include "service/imap/selection.hpp"
#include "service/imap/session.hpp"

namespace keystonemail::service::imap {

namespace {

constexpr std::size_t batch_messages = 10'000;  // in one commit
constexpr std::size_t rows_between_yields = 2'048;

mailstore::FlagAction action_of(engine::StoreAction action) noexcept {
  switch (action) {
    case engine::StoreAction::replace: return mailstore::FlagAction::replace;
    case engine::StoreAction::add: return mailstore::FlagAction::add;
    case engine::StoreAction::remove: return mailstore::FlagAction::remove;
  }
  return mailstore::FlagAction::replace;
}

struct Storing {
  Session& session;
  const engine::Store& command;
  mailstore::FlagChange change;
  std::vector<Uid> refused = {};
  bool some_gone = false;     // were expunged by others meanwhile
};

enum class Flags : std::uint8_t { as_asked, told };

// With .SILENT nothing is told, but MODSEQ to those who know of it (RFC 7162 §3.1.3), and UID with it (§3.2.4).
void write_row(Storing& storing, const MessageRow& row, Flags flags) {
  Session& session = storing.session;
  const auto sequence = session.view()->uids.sequence_of(row.uid);
  const bool with_modseq = session.features().condstore;
  const bool silent = storing.command.silent && flags == Flags::as_asked;
  if (!sequence || (silent && !with_modseq)) return;
  const bool with_uid = storing.command.numbers == engine::NumberKind::uid || with_modseq;
  const auto uid = with_uid ? std::optional(row.uid) : std::nullopt;
  auto& out = session.out();
  if (!silent) {
    out.fetch_flags(*sequence, uid, session.keywords().flags(row.keywords, row.deleted),
                    with_modseq ? std::optional(row.modseq) : std::nullopt);
    return;
  }
  out.begin_fetch(*sequence);
  if (uid) out.uid(*uid);
  out.modseq(row.modseq);
  out.end_fetch();
}

// `in_full`: ascending, those whose flags are told whether or not the client has asked for silence.
Task<bool> write_rows(Storing& storing, std::span<const MessageRow> rows, std::span<const Uid> in_full) {
  Session& session = storing.session;
  std::size_t written = 0;
  for (const MessageRow& row : rows) {
    if (!session.keywords().know(row.keywords)) co_await session.learn_keywords(row.keywords);
    write_row(storing, row, std::ranges::binary_search(in_full, row.uid) ? Flags::told : Flags::as_asked);
    if (session.output_full() && !co_await session.flush()) co_return false;
    if (++written % rows_between_yields == 0) co_await yield(*session.working().executor);
  }
  co_return true;
}

// What had those flags before is told as well: clients count on an answer for each message, with UNCHANGEDSINCE also after
// .SILENT. What was refused is told with its flags, that the client need not ask (RFC 7162 §3.1.3); what is newer than the
// client has seen comes with the other changes before the command ends.
Task<Result<void>> write_others(Storing& storing, std::span<const Uid> uids, const mailstore::FlagsChanged& done) {
  Session& session = storing.session;
  if (done.changed.size() >= uids.size()) co_return {};
  KM_CO_TRY(auto rows, co_await session.store().messages(session.account(), session.view()->id, {uids.front(), uids.back()},
                                                         0, session.working()));
  std::size_t there = 0;
  std::erase_if(rows, [&](const MessageRow& row) {
    if (!std::ranges::binary_search(uids, row.uid)) return true;
    ++there;
    if (std::ranges::binary_search(done.refused, row.uid)) return row.modseq > session.view()->changes_told;
    return std::ranges::binary_search(done.changed, row.uid, {}, &MessageRow::uid);
  });
  storing.some_gone |= there < uids.size();
  if (!storing.command.silent || storing.command.unchanged_since) (void)co_await write_rows(storing, rows, done.refused);
  co_return {};
}

Task<Result<void>> store_batch(Storing& storing, std::span<const Uid> uids) {
  Session& session = storing.session;
  storing.change.seen = session.view()->changes_told;
  KM_CO_TRY(const auto done, co_await session.store().change_flags(session.account(), session.view()->id, uids,
                                                                   storing.change, session.working()));
  if (!done.changed.empty()) session.view()->took(done.modseq, done.before);
  storing.refused.insert(storing.refused.end(), done.refused.begin(), done.refused.end());
  // RFC 9051 §6.4.6: what others did to them is told also after .SILENT.
  if (!co_await write_rows(storing, done.changed, done.overtaken)) co_return {};
  for (const MessageRow& row : done.along) co_await session.tell_flags(row);
  co_return co_await write_others(storing, uids, done);
}

// The messages refused, as the client numbers them.
engine::ResponseCode modified_code(const Storing& storing) {
  std::vector<std::uint32_t> numbers = storing.refused;
  std::ranges::sort(numbers);
  if (storing.command.numbers == engine::NumberKind::sequence) {
    for (std::uint32_t& number : numbers) number = storing.session.view()->uids.sequence_of(number).value_or(0);
    std::erase(numbers, 0U);
  }
  return engine::ResponseCode::modified(engine::to_ranges(numbers));
}

}  // namespace

Task<Reply> execute(Session& session, engine::Store command) {
  if (session.view()->read_only) co_return no(engine::Code::read_only, "The mailbox is open for reading only");
  const auto selection = select_messages(*session.view(), command.set, command.numbers);
  if (!selection) co_return bad("No message has such a number");
  auto keywords = co_await keyword_set(session.store(), session.account(), command.flags, session.working());
  if (!keywords && keywords.error().kind() == ErrorKind::too_large) {
    const auto learnt = co_await session.keywords().refresh(session.store(), session.account(), session.working());
    if (learnt) session.tell_keywords_full();
  }
  if (!keywords) co_return reply_for(keywords.error());
  Storing storing{session, command,
                  {.action = action_of(command.action), .keywords = *std::move(keywords),
                   .deleted = command.flags.has(engine::SystemFlag::deleted), .unchanged_since = command.unchanged_since}};
  const auto uids = uids_of(*session.view(), *selection);
  for (std::size_t at = 0; at < uids.size() && !session.lost(); at += batch_messages) {
    const auto batch = std::span(uids).subspan(at, std::min(batch_messages, uids.size() - at));
    const auto done = co_await store_batch(storing, batch);
    if (!done) {
      session.log_error("imap.store.failed", done.error());
      co_return reply_for(done.error());
    }
  }
  if (!storing.refused.empty()) {
    co_return Reply{.code = modified_code(storing), .text = "Conditional STORE failed for some"};
  }
  if (storing.some_gone && command.numbers == engine::NumberKind::sequence) {
    co_return no(engine::Code::expunge_issued, "Some of the messages are no more");
  }
  co_return ok("STORE completed");
}

}  // namespace keystonemail::service::imap
