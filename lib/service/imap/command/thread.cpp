// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// THREAD and UID THREAD (RFC 5256).
#include "service/imap/command/find.hpp"
#include "service/imap/message_facts.hpp"
#include "service/imap/thread_messages.hpp"

namespace keystonemail::service::imap {

namespace {

ThreadItem item_of(std::uint32_t number, engine::ThreadAlgorithm algorithm, const MessageRow& row, const mime::Summary& summary) {
  ThreadItem item{.number = number, .sent = sent_date(row, summary)};
  ThreadSubject subject = thread_subject(summary);
  item.subject = std::move(subject.text);
  item.reply = subject.reply;
  if (algorithm == engine::ThreadAlgorithm::ordered_subject) return item;
  item.id = normal_message_id(summary.message_id().value_or(""));
  for (const auto id : summary.references()) item.references.push_back(normal_message_id(id));
  const auto parents = summary.in_reply_to();
  if (item.references.empty() && !parents.empty()) item.references.push_back(normal_message_id(parents.front()));
  return item;
}

std::size_t octets_of(const ThreadItem& item) noexcept {
  std::size_t octets = sizeof(item) + item.subject.capacity() + item.id.capacity();
  for (const std::string& reference : item.references) octets += 2 * sizeof(std::string) + reference.capacity();
  return octets;
}

Task<Result<std::vector<ThreadItem>>> thread_items(Session& session, const engine::Thread& command, std::span<const Sequence> sequences,
                                                 const Pause& pause) {
  std::vector<ThreadItem> all;
  std::size_t octets = 0;
  const MailboxView& view = *session.view();
  MessageVisitor visit = [&](Sequence sequence, const MessageRow& row, const mime::Summary& summary) -> Result<void> {
    const std::uint32_t number = command.numbers == engine::NumberKind::uid ? row.uid : sequence;
    all.push_back(item_of(number, command.algorithm, row, summary));
    octets += octets_of(all.back());
    if (octets > limits::sort_octets_max) return fail(ErrorKind::too_large, "too many messages to thread");
    return {};
  };
  const auto seen = co_await visit_messages(session.store(), session.account(), view, sequences, Facts::summaries, std::move(visit),
                                            pause, session.working());
  if (!seen) co_return std::unexpected(seen.error());
  co_return all;
}

Task<Result<std::string>> threads_of(Session& session, const engine::Thread& command, std::span<const Sequence> sequences) {
  const Pause pause = session.pausing();
  auto messages = co_await thread_items(session, command, sequences, pause);
  if (!messages) co_return std::unexpected(messages.error());
  if (command.algorithm == engine::ThreadAlgorithm::ordered_subject) co_return co_await thread_by_subject(*std::move(messages), pause);
  co_return co_await thread_by_references(*std::move(messages), pause);
}

}  // namespace

Task<Reply> execute(Session& session, engine::Thread command) {
  const auto found = co_await find_messages(session, command.program, false);
  if (!found) co_return found.error();
  const auto threads = co_await threads_of(session, command, found->sequences);
  if (!threads) {
    session.log_error("imap.thread.failed", threads.error());
    co_return reply_for(threads.error());
  }
  session.out().thread(*threads);
  co_return ok("THREAD completed");
}

}  // namespace keystonemail::service::imap
