// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The part of Session that takes messages in: APPEND (RFC 9051 §6.3.12) and MULTIAPPEND (RFC 3502). Octets go to the
// store's writer as they come; nothing is in the mailbox until all messages of the command are.
#include <utility>

#include "base/try.hpp"
#include "service/imap/session.hpp"
#include "service/imap/special_use.hpp"

namespace keystonemail::service::imap {

namespace {

// APPEND and COPY say TRYCREATE when the mailbox is not there (RFC 9051 §6.3.12).
Reply append_reply(const Error& error) {
  if (error.kind() == ErrorKind::not_found) return no(engine::Code::try_create, "No such mailbox");
  if (error.kind() == ErrorKind::too_large) return no(engine::Code::too_big, "Message too large");
  return reply_for(error);
}

bool over_quota(const mailstore::Quota& quota, std::uint64_t octets) noexcept {
  return (quota.octets_limit != 0 && quota.octets_used + octets > quota.octets_limit) ||
         (quota.messages_limit != 0 && quota.messages_used >= quota.messages_limit);
}

// Whether the message announced is one too many: those before it wait in memory.
bool too_much_at_once(const Append& append, std::uint64_t octets) noexcept {
  return append.messages.size() >= limits::append_messages_max ||
         (!append.messages.empty() && append.octets + octets > limits::append_together_octets_max);
}

}  // namespace

// Says no before the client sends the message, where it waits to be asked.
Task<Result<void>> Session::prepare_append(const engine::AppendBegin& event) {
  if (!append_) {
    append_ = std::make_unique<Append>();
    KM_CO_TRY(const auto mailbox, co_await store().find_mailbox(account(), event.mailbox, working()));
    append_->mailbox = mailbox.id;
    tell_old_name(event.mailbox, mailbox);
  }
  append_->octets += event.octets;
  KM_CO_TRY(const auto info, co_await store().account(account(), working()));
  if (over_quota(info.quota, append_->octets)) co_return fail(ErrorKind::over_quota);
  if (event.octets > engine_options_.append_octets_max) co_return fail(ErrorKind::too_large);
  append_->next = {};
  append_->next.deleted = event.flags.has(engine::SystemFlag::deleted);
  append_->next.received = event.date;
  KM_CO_TRY(append_->next.keywords, co_await keyword_set(store(), account(), event.flags, working()));
  KM_CO_TRY(append_->writer, store().create_message());
  co_return {};
}

Task<void> Session::on(engine::AppendBegin event) {
  if (event.index == 0) {
    ++commands_;
    append_.reset();
  }
  if (append_ && too_much_at_once(*append_, event.octets)) {
    append_.reset();
    co_return co_await finish(no(engine::Code::limit, "Too many messages for one APPEND"), Expunges::show);
  }
  const auto prepared = co_await prepare_append(event);
  if (prepared) {
    engine_.decide(engine::AppendAccept{}, now());
    co_return;
  }
  append_.reset();
  co_await finish(append_reply(prepared.error()), Expunges::show);
}

Task<void> Session::on(engine::AppendChunk event) {
  if (!append_ || !append_->writer) co_return;
  const auto written = co_await append_->writer->write(event.octets, working());
  if (!written) refuse_append(written.error());
}

Task<void> Session::on(engine::AppendMessageEnd) {
  if (!append_ || !append_->writer) co_return;
  auto staged = co_await append_->writer->finish(working());
  append_->writer.reset();
  if (!staged) {
    refuse_append(staged.error());
    co_return;
  }
  append_->next.message = *std::move(staged);
  append_->messages.push_back(std::move(append_->next));
}

void Session::refuse_append(const Error& error) {
  log_error("imap.append.failed", error);
  const Reply reply = append_reply(error);
  append_.reset();
  engine_.refuse_append(reply.code, reply.text, now());
}

Task<void> Session::on(engine::AppendEnd) {
  if (!append_) co_return co_await finish(reply_for(Error(ErrorKind::internal)), Expunges::show);
  const auto done = co_await store().append(account(), append_->mailbox, append_->messages, working());
  const std::uint64_t octets = append_->octets;
  append_.reset();
  if (!done) {
    log_error("imap.append.failed", done.error());
    co_return co_await finish(append_reply(done.error()), Expunges::show);
  }
  services_.log.event(LogLevel::info, "imap.appended",
                      {{"session", id_}, {"login", account_->login}, {"messages", done->emails.size()}, {"octets", octets},
                       {"email", done->emails.empty() ? std::string() : object_id(done->emails.front())}});
  Reply reply = ok("Appended");
  reply.code = engine::ResponseCode::append_uid(done->uid_validity, engine::to_ranges(done->uids));
  co_await finish(std::move(reply), Expunges::show);
}

}  // namespace keystonemail::service::imap
