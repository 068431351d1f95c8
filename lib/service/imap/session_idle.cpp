// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The part of Session that waits and tells: IDLE, and what others have changed.
#include <ranges>

#include "service/imap/idle.hpp"
#include "service/imap/session.hpp"

namespace keystonemail::service::imap {

void Session::begin_idle() {
  ++commands_;
  keywords_.forget();
  idle_ = std::make_unique<Idle>();
  if (!view_) return;
  idle_->subscription = store().subscribe(account(), *context_.executor, [this](ModSeq) {
    idle_->changed = true;
    idle_->wake.request_stop();
  });
}

// Waits for the client and the store at once. Changes that come while the client is slow to read become one update.
Task<Result<std::string_view>> Session::read_in_idle(Context wait) {
  for (;;) {
    idle_->wake = std::stop_source();
    if (view_ && std::exchange(idle_->changed, false)) {
      const bool there = co_await tell_changes(Expunges::show);
      if (!there) engine_.end(engine::Code::nonexistent, "The selected mailbox has been deleted");
      if (!co_await flush() || !there) co_return std::string_view();
      if (idle_->changed) continue;
    }
    std::stop_callback on_stop(wait.stop, [wake = idle_->wake]() mutable { wake.request_stop(); });
    auto got = co_await stream_->read(wait.with_stop(idle_->wake.get_token()));
    const bool woken = !got && got.error().kind() == ErrorKind::cancelled && !wait.stop.stop_requested();
    if (!woken) co_return got;
  }
}

Task<void> Session::learn_keywords(const mailstore::KeywordSet& keywords) {
  if (keywords_.know(keywords)) co_return;
  if (const auto learnt = co_await keywords_.refresh(store(), account(), working()); !learnt) {
    log_error("imap.store.failed", learnt.error());
    co_return;
  }
  tell_keywords();
}

void Session::tell_keywords() {
  if (!view_ || out().in_fetch() || !keywords_.untold()) return;
  out().flags_defined(keywords_.tell());
  tell_keywords_full();
}

void Session::tell_keywords_full() {
  if (!view_ || view_->read_only || !keywords_.full()) return;
  out().status(engine::StatusKind::ok, engine::ResponseCode::permanent_flags(keywords_.all(), false), "No more keywords");
}

void Session::tell_old_name(std::string_view given, const mailstore::Mailbox& mailbox, Existence existence) {
  if (!features().imap4rev2 || given == mailbox.path) return;
  engine::ListEntry entry{.separator = mailstore::limits::hierarchy_separator, .mailbox = mailbox.path, .old_name = given};
  using engine::MailboxAttribute;
  // §6.3.4: what is subscribed by being made has to say so.
  if (existence == Existence::removed) entry.attributes = static_cast<std::uint32_t>(MailboxAttribute::nonexistent);
  else if (mailbox.subscribed) entry.attributes = static_cast<std::uint32_t>(MailboxAttribute::subscribed);
  out().list(entry);
}

Task<bool> Session::tell_changes(Expunges expunges) {
  const auto update = co_await pull(store(), account(), *view_, expunges, working());
  if (!update) {
    if (update.error().kind() == ErrorKind::not_found) co_return false;
    log_error("imap.store.failed", update.error());
    co_return true;  // told next time
  }
  tell_keywords();  // those learnt where they could not be told
  if (features().qresync) {
    out().vanished(engine::to_ranges(update->vanished), engine::ResponseWriter::Vanished::now);
  } else {
    // From the end, so that each number is still what it was.
    for (const Sequence sequence : update->expunged | std::views::reverse) {
      out().expunge(sequence);
      if (output_full() && !co_await flush()) co_return true;
    }
  }
  if (update->arrived) out().exists(view_->uids.size());
  for (const MessageRow& row : update->changed) {
    co_await tell_flags(row);
    if (output_full() && !co_await flush()) break;
  }
  co_return true;
}

Task<void> Session::tell_flags(const MessageRow& row) {
  const auto sequence = view_->uids.sequence_of(row.uid);
  if (!sequence) co_return;
  if (!keywords_.know(row.keywords)) co_await learn_keywords(row.keywords);
  const bool with_uid = features().condstore || features().imap4rev2;  // RFC 7162 §3.2.4, RFC 9051 §7.5.2
  out().fetch_flags(*sequence, with_uid ? std::optional(row.uid) : std::nullopt, keywords_.flags(row.keywords, row.deleted),
                    features().condstore ? std::optional(row.modseq) : std::nullopt);
}

}  // namespace keystonemail::service::imap
