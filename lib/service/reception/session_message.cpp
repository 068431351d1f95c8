// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Session: the message, from its first octet to its place in mailboxes and queue.
#include "service/reception/session.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/format.hpp"
#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/mime/date.hpp"
#include "service/reception/list_fields.hpp"
#include "service/reception/replies.hpp"
#include "service/reception/trace_fields.hpp"

namespace keystonemail::reception {

namespace {

constexpr const char* junk_mailbox = "Junk";
constexpr std::size_t piece_octets = 64 * 1024;
constexpr std::size_t prefix_top_octets_max = 32 * 1024;  // on top of each copy; more goes into the message, below our trace

// The body of a message that was written.
class WrittenBody final : public policy::Body {
 public:
  WrittenBody(const mailstore::MessageWriter& writer, std::uint64_t begin, std::uint64_t octets)
      : writer_(writer), begin_(begin), octets_(octets) {}
  std::uint64_t octets() const noexcept override { return octets_; }
  Result<void> read(std::uint64_t offset, std::size_t octets, std::string& out) const override {
    return writer_.read(begin_ + offset, octets, out);
  }

 private:
  const mailstore::MessageWriter& writer_;
  std::uint64_t begin_, octets_;
};

}  // namespace

Task<void> Session::on(smtp::MessageBegin) {
  assert(transaction_);
  auto writer = services_.delivery.create_message();
  if (!writer) {
    engine_.decide(reply_for(writer.error()), now());
    co_return;
  }
  transaction_->writer = *std::move(writer);
  transaction_->header.emplace(options_.header_octets_max);
  engine_.decide(smtp::Accept{}, now());
}

// The header is held back until policies have seen it: what they want taken out of it never gets into the store.
Task<void> Session::on(smtp::MessageChunk event) {
  assert(transaction_ && transaction_->writer);
  transaction_->octets += event.octets.size();
  const bool was_complete = transaction_->header->complete();
  const std::string_view body = event.octets.substr(transaction_->header->feed(event.octets));
  if (transaction_->header->too_large()) {
    smtp::Reply refusal{552, {5, 3, 4}, "Message header too large"};
    co_await refuse_message(std::move(refusal));
    co_return;
  }
  if (!transaction_->header->complete()) co_return;
  std::optional<smtp::Reply> refusal;
  if (!was_complete) refusal = co_await take_header();
  if (!refusal && !body.empty()) refusal = co_await take_body(body);
  if (refusal) co_await refuse_message(*refusal);
}

// Completes the header, asks about it, and writes it as policies want it.
Task<std::optional<smtp::Reply>> Session::take_header() {
  HeaderCollector& header = *transaction_->header;
  header.finish();
  if (is_submission()) complete_header();
  const std::string body = header.take_body_begin();
  if (!screening_.empty()) (void)co_await screening_.receive(header.header(), working());  // as it was signed
  if (brings_return_path()) header.remove_fields(mime::FieldName::return_path);
  auto refusal = co_await write_header();
  if (!refusal && !body.empty()) refusal = co_await take_body(body);
  co_return refusal;
}

// RFC 5321 §4.4: there is one, ours, and none where it goes on. One that the author signed goes on all the same.
bool Session::brings_return_path() const {
  const std::string& header = transaction_->header->header();
  if (!mime::find_field(header, mime::FieldName::return_path)) return false;
  const bool goes_on = !transaction_->forwards.empty() || !transaction_->remote.empty();
  return !goes_on || !is_signed(header, "return-path");
}

Task<std::optional<smtp::Reply>> Session::write_header() {
  if (screening_.empty()) {
    const auto written = co_await transaction_->writer->write(transaction_->header->header(), working());
    if (!written) co_return reply_for(written.error());
    co_return std::nullopt;
  }
  policy::Draft& draft = transaction_->draft.emplace(transaction_->header->take_header());
  draft.apply(transaction_->edits);
  std::erase_if(transaction_->edits, policy::edits_message);
  if (auto refusal = co_await screen(policy::Stage::headers)) co_return refusal;
  transaction_->written_revision = draft.revision_below_top();
  transaction_->header_octets = draft.below_top().size();
  const auto written = co_await transaction_->writer->write(draft.below_top(), working());
  if (!written) co_return reply_for(written.error());
  co_return std::nullopt;
}

Task<std::optional<smtp::Reply>> Session::take_body(std::string_view octets) {
  // A policy that fails on a piece is heard at the end of the message.
  if (!screening_.empty()) (void)co_await screening_.receive(octets, working());
  transaction_->body_octets += octets.size();
  const auto written = co_await transaction_->writer->write(octets, working());
  if (!written) co_return reply_for(written.error());
  co_return std::nullopt;
}

// RFC 6409 §8.2, §8.3: a submitted message without Date or Message-ID gets one; others are left as they are.
void Session::complete_header() {
  const HeaderFindings findings = inspect_header(transaction_->header->header());
  std::string missing;
  if (!findings.has_date) {
    missing += "Date: " + mime::format_date({context_.executor->wall_now(), std::chrono::minutes(0)}) + "\r\n";
  }
  if (!findings.has_message_id) {
    missing += "Message-ID: <" + services_.random.hex(16) + "@" + options_.engine.hostname + ">\r\n";
  }
  transaction_->header->append_fields(missing);
}

Task<void> Session::refuse_message(smtp::Reply reply) {
  log_refused("data", transaction_->first_recipient, reply);
  co_await note_refusal(reply);
  if (reply.code == 421) engine_.end(reply);  // without waiting for the rest
  else engine_.refuse_message(reply);
  end_transaction();
}

Task<void> Session::on(smtp::MessageEnd) {
  assert(transaction_ && transaction_->writer);
  ++message_number_;
  HeaderFindings findings = inspect_header(transaction_->header_text());
  auto refusal = revoked();
  if (!refusal) refusal = co_await judge_message(findings);
  if (refusal) {
    log_refused("data", transaction_->first_recipient, *refusal);
    co_await note_refusal(*refusal);
    end_transaction();
    engine_.decide(*refusal, now());
    co_return;
  }
  if (transaction_->verdict == policy::Verdict::discard || !transaction_->has_recipients()) {
    services_.log.event(LogLevel::info, "smtp.discarded",
                        {{"session", id_}, {"message", message_number_}, {"from", transaction_->sender_address},
                         {"to", transaction_->first_recipient}, {"message_id", findings.message_id},
                         {"reason", transaction_->verdict_reason}});
    const smtp::Reply said = ok_reply();
    queue::History discarded = history("discarded", findings.message_id, said);
    (void)co_await services_.delivery.note(std::move(discarded), working());
    end_transaction();
    if (is_lmtp()) engine_.decide(smtp::Accept{}, now());  // for each recipient
    else engine_.decide(said, now());
    co_return;
  }
  const auto rewritten = co_await write_again();
  if (!rewritten) {
    end_transaction();
    engine_.decide(reply_for(rewritten.error()), now());
    co_return;
  }
  findings = inspect_header(transaction_->header_text());
  auto sealed = co_await hold_repeats(findings.message_id);
  if (sealed) sealed = make_seal();
  if (sealed) sealed = keep_for_return();
  if (!sealed) {
    end_transaction();
    engine_.decide(reply_for(sealed.error()), now());
    co_return;
  }
  auto staged = co_await transaction_->writer->finish(working());
  if (!staged) {
    end_transaction();
    engine_.decide(reply_for(staged.error()), now());
    co_return;
  }
  const std::shared_ptr<mailstore::StagedMessage> message = *std::move(staged);
  if (is_lmtp()) {
    const auto replies = co_await deliver_each(message, findings);
    end_transaction();
    engine_.decide(replies, now());
    co_return;
  }
  const auto reply = co_await deliver(message, findings);
  if (!reply.positive()) {
    log_refused("data", transaction_->first_recipient, reply);
    co_await note_refusal(reply);
  }
  end_transaction();
  engine_.decide(reply, now());
}

// All that can be said against the message before it is stored.
Task<std::optional<smtp::Reply>> Session::judge_message(const HeaderFindings& findings) {
  if (auto loop = find_loop(findings)) co_return loop;
  if (auto loop = stop_rounds(findings)) co_return loop;
  if (!transaction_->header->complete()) {
    if (auto refusal = co_await take_header()) co_return refusal;
  }
  if (transaction_->draft) {
    const std::uint64_t header_octets = transaction_->header_octets;
    transaction_->draft->set_body(std::make_shared<WrittenBody>(*transaction_->writer, header_octets, transaction_->body_octets));
  }
  if (auto refusal = co_await screen(policy::Stage::body)) co_return refusal;
  if (auto refusal = co_await edit_envelope()) co_return refusal;
  const policy::Stage last = account_ ? policy::Stage::submit : policy::Stage::deliver;
  if (auto refusal = co_await screen(last)) co_return refusal;
  co_return co_await edit_envelope();
}

// The message was written as it came. Where edits made another of it since, that one is written anew, out of the first.
Task<Result<void>> Session::write_again() {
  Transaction& transaction = *transaction_;
  if (!transaction.draft) co_return Result<void>();
  const policy::Draft& draft = *transaction.draft;
  transaction.top_is_apart = draft.top().size() <= prefix_top_octets_max;
  if (draft.revision_below_top() == transaction.written_revision && transaction.top_is_apart) co_return Result<void>();
  KM_CO_TRY(auto writer, services_.delivery.create_message());
  const std::string_view header = transaction.top_is_apart ? draft.below_top() : draft.header();
  KM_CO_CHECK(co_await writer->write(header, working()));
  bool ascii = is_ascii(header);
  std::string piece;
  for (std::uint64_t at = 0; at < draft.body()->octets(); at += piece.size()) {
    piece.clear();
    KM_CO_CHECK(draft.body()->read(at, piece_octets, piece));
    if (piece.empty()) co_return fail(ErrorKind::unavailable, {}, "a body came back short");
    KM_CO_CHECK(co_await writer->write(piece, working()));
    ascii = ascii && is_ascii(piece);
  }
  // RFC 6152 §2: it may have become what was not promised.
  if (!ascii && transaction.parameters.body == smtp::BodyType::seven_bit) transaction.parameters.body = smtp::BodyType::eight_bit_mime;
  transaction.writer = std::move(writer);  // the body that is now in the draft may have been read out of the first
  transaction.draft->set_body(nullptr);
  co_return Result<void>();
}

Task<void> Session::on(smtp::MessageAborted event) {
  log_refused("data", transaction_ ? transaction_->first_recipient : std::string(),
              {smtp::reply_for(event.fault).code, smtp::reply_for(event.fault).status, std::string(smtp::reply_for(event.fault).text)});
  end_transaction();
  co_return;
}

Task<void> Session::on(smtp::Reset) {
  end_transaction();
  co_return;
}

// What stands on top of every recipient's copy: what policies add, and our trace.
std::string Session::common_prefix() {
  const bool alone = transaction_->accepted.size() == 1;
  const std::string traced = alone ? traced_recipient(transaction_->first_recipient) : std::string();
  const std::string literal = stream_->peer().address.literal();
  const bool with_top = transaction_->draft && transaction_->top_is_apart;
  return (with_top ? std::string(transaction_->draft->top()) : std::string()) +
         received_field({.hello_name = engine_.hello_name(),
                         .peer_literal = literal,
                         .hostname = options_.engine.hostname,
                         .protocol = engine_.with_protocol(),
                         .tls = tls_clause_,
                         .id = id_,
                         .recipient = traced,
                         .time = context_.executor->wall_now()});
}

// Everything of one commit.
Task<Result<delivery::Accepted>> Session::submit(std::shared_ptr<mailstore::StagedMessage> message, Share share, std::string prefix,
                                                 std::string message_id, queue::History history) {
  delivery::Submission submission{.message = std::move(message), .local = std::move(share.local)};
  submission.history = std::move(history);
  const std::string answered_id = message_id;
  KM_CO_TRY(auto report, co_await report_to_sender(std::move(share.wishes), prefix, message_id));
  if (share.with_remote) {
    submission.also = remember_redirects(message_id);
    KM_CO_TRY(submission.together, co_await forwarded(submission.message, prefix, message_id));
  }
  if (report) submission.together.push_back(*std::move(report));
  if (share.with_remote && !transaction_->remote.empty()) {
    queue::NewEntry& entry = submission.remote.emplace();
    entry.envelope = envelope();
    entry.recipients = transaction_->remote;
    entry.prefix = std::move(prefix);
    entry.message_id = std::move(message_id);
    entry.login = account_ ? account_->login : std::string();
    entry.session = id_;
    entry.origin = origin();
    entry.held = transaction_->verdict == policy::Verdict::quarantine;
    if (entry.held) entry.hold_reason = transaction_->verdict_reason;
  }
  const Answers answers = co_await add_answers(submission, answered_id);
  auto accepted = co_await services_.delivery.deliver(std::move(submission), working());
  if (accepted) log_answers(answers, *accepted, answered_id);
  co_return accepted;
}

// The recipient's copy: its header part, and its line in the trace.
delivery::LocalRecipient Session::local_copy(std::size_t place, std::string_view common, queue::History& journey) const {
  delivery::LocalRecipient copy = transaction_->local[place];
  if (transaction_->verdict == policy::Verdict::quarantine) copy.mailbox = junk_mailbox;
  const std::string& list = transaction_->local_lists[place];
  copy.prefix = return_path_field(sender_of_members(list)) + delivered_to_field(transaction_->local_addresses[place]);
  if (!list.empty()) copy.prefix += list_fields(list, transaction_->header_text());
  copy.prefix.append(common);
  journey.steps.push_back({.when = context_.executor->wall_now(), .what = "delivered", .recipient = transaction_->local_addresses[place],
                           .host = {}, .text = "in " + copy.mailbox});
  return copy;
}

// The same for what is thrown away: whoever sent it learns nothing.
smtp::Reply Session::ok_reply() const { return {250, {2, 0, 0}, format("Ok: {}.{}", id_, message_number_)}; }

Task<smtp::Reply> Session::deliver(std::shared_ptr<mailstore::StagedMessage> message, const HeaderFindings& findings) {
  const std::string common = common_prefix();
  const smtp::Reply said = ok_reply();
  queue::History journey = history("accepted", findings.message_id, said);
  Share all{.local = {}, .with_remote = true, .wishes = transaction_->wishes};
  for (std::size_t i = 0; i < transaction_->local.size(); ++i) all.local.push_back(local_copy(i, common, journey));
  const std::uint64_t octets = message->octets();
  const auto accepted = co_await submit(std::move(message), std::move(all), common, findings.message_id, std::move(journey));
  if (!accepted) co_return reply_for(accepted.error());
  log_accepted(octets, *accepted, findings.message_id);
  co_return said;
}

// RFC 2033 §4.2: a reply for each recipient.
Task<std::vector<smtp::Reply>> Session::deliver_each(std::shared_ptr<mailstore::StagedMessage> message, const HeaderFindings& findings) {
  auto replies = co_await deliver_by_recipient(std::move(message), findings);
  for (const std::size_t place : transaction_->refused) replies[place] = gone_round();
  co_return replies;
}

// All go in one commit if they can; if not, each on its own.
Task<std::vector<smtp::Reply>> Session::deliver_by_recipient(std::shared_ptr<mailstore::StagedMessage> message,
                                                             const HeaderFindings& findings) {
  const auto& places = transaction_->accepted;
  const smtp::Reply together = co_await deliver(message, findings);
  if (together.positive()) co_return std::vector(places.size(), together);

  const std::string common = common_prefix();
  const smtp::Reply taken{250, {2, 0, 0}, "Ok"};
  std::vector<smtp::Reply> by_account;
  bool forwarded = false;  // what goes elsewhere rides with the first that works
  for (std::size_t i = 0; i < transaction_->local.size(); ++i) {
    queue::History journey = history("accepted", findings.message_id, taken);
    Share alone{.local = {}, .with_remote = !forwarded, .wishes = wishes_with(i, !forwarded, by_account)};
    alone.local.push_back(local_copy(i, common, journey));
    const auto accepted = co_await submit(message, std::move(alone), common, findings.message_id, std::move(journey));
    forwarded = forwarded || accepted.has_value();
    by_account.push_back(accepted ? taken : reply_for(accepted.error()));
    if (accepted) log_accepted(message->octets(), *accepted, findings.message_id);
  }
  std::vector<smtp::Reply> replies;
  for (const auto& indices : places) {
    smtp::Reply worst = taken;
    for (const std::size_t index : indices) {
      if (!by_account[index].positive()) worst = by_account[index];
    }
    replies.push_back(!indices.empty() ? worst : forwarded ? taken : together);
  }
  co_return replies;
}

// What is told in the commit of this account: of the RCPTs that it is the last of, the accounts before it have the message; of those
// without an account here, when it takes along what goes elsewhere.
std::vector<Wish> Session::wishes_with(std::size_t account, bool with_remote, const std::vector<smtp::Reply>& by_account) const {
  std::vector<Wish> wishes;
  for (const Wish& wish : transaction_->wishes) {
    if (wish.accepted >= transaction_->accepted.size()) continue;
    const auto& indices = transaction_->accepted[wish.accepted];
    const bool is_last = !indices.empty() && std::ranges::max(indices) == account;
    const auto is_there = [&](std::size_t index) { return index == account || by_account[index].positive(); };
    if (indices.empty() ? with_remote : is_last && std::ranges::all_of(indices, is_there)) wishes.push_back(wish);
  }
  return wishes;
}

void Session::log_accepted(std::uint64_t octets, const delivery::Accepted& accepted, const std::string& message_id) const {
  services_.log.event(LogLevel::info, "smtp.accepted",
                      {{"session", id_},
                       {"message", message_number_},
                       {"peer", peer_},
                       {"from", transaction_->sender_address},
                       {"to", transaction_->first_recipient},
                       {"recipients", transaction_->accepted.size()},
                       {"octets", octets},
                       {"message_id", message_id},
                       {"login", account_ ? account_->login : std::string()},
                       {"delivered", accepted.local.size()},
                       {"queued", accepted.queued ? static_cast<std::uint64_t>(*accepted.queued) : 0},
                       {"together", accepted.together.size()}});
}

}  // namespace keystonemail::reception
