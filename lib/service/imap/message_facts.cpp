// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/imap/message_facts.hpp"

#include <vector>

#include "base/try.hpp"
#include "keystonemail/codec/case_fold.hpp"
#include "keystonemail/mime/message_id.hpp"

namespace keystonemail::service::imap {

namespace {

constexpr Sequence visited_at_once = 1024;

}  // namespace

Task<Result<void>> visit_messages(MailStore& store, AccountId account, const MailboxView& view,
                                  std::span<const Sequence> sequences, Facts facts, MessageVisitor visit, const Pause& pause,
                                  Context context) {
  while (!sequences.empty()) {
    // The rows of a stretch of the mailbox come in one call, wanted or not.
    std::size_t count = 1;
    while (count < sequences.size() && sequences[count] - sequences[0] < visited_at_once) ++count;
    const auto wanted = sequences.first(count);
    sequences = sequences.subspan(count);
    const UidRange uids{view.uids.uid_of(wanted.front()), view.uids.uid_of(wanted.back())};
    KM_CO_TRY(auto rows, co_await store.messages(account, view.id, uids, 0, context));
    std::vector<Sequence> found;
    auto next = wanted.begin();
    std::erase_if(rows, [&](const MessageRow& row) {
      while (next != wanted.end() && view.uids.uid_of(*next) < row.uid) ++next;
      if (next == wanted.end() || view.uids.uid_of(*next) != row.uid) return true;
      found.push_back(*next);
      return false;
    });
    std::vector<std::string> summaries(rows.size());
    if (facts == Facts::summaries) {
      std::vector<mailstore::EmailId> emails;
      for (const MessageRow& row : rows) emails.push_back(row.email);
      KM_CO_TRY(summaries, co_await store.summaries(account, emails, context));
    }
    for (std::size_t i = 0; i < rows.size(); ++i) KM_CO_CHECK(visit(found[i], rows[i], mime::Summary(summaries[i])));
    KM_CO_CHECK(co_await pause());
  }
  co_return Result<void>();
}

WallTime sent_date(const MessageRow& row, const mime::Summary& summary) {
  const auto date = summary.date();
  return date ? date->time : row.received;
}

ThreadSubject thread_subject(const mime::Summary& summary) {
  const auto subject = summary.envelope().subject;
  if (!subject) return {};
  const auto base = mime::base_subject(subject->substr(0, limits::sort_text_octets_max));
  return {codec::fold_case(base.text), base.reply_or_forward};
}

}  // namespace keystonemail::service::imap
