// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/milter/milter.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/format.hpp"
#include "base/try.hpp"
#include "keystonemail/mailauth/iprev/evaluation.hpp"
#include "keystonemail/mime/header.hpp"
#include "service/authentication/questions.hpp"
#include "service/milter/changes.hpp"
#include "service/milter/macros.hpp"

namespace keystonemail::milter {
namespace {

using policy::Decision;
using policy::Facts;
using policy::Stage;
using policy::Verdict;

constexpr std::string_view name_tag = "client-name", pointer_tag = "client-pointer", resolve_tag = "client-resolve";
constexpr std::size_t output_octets_max = 128 * 1024;  // gathered of what a filter does not answer

Peer peer_of(const policy::Connection& connection, const std::string& hostname, const std::string& address) {
  const bool v6 = connection.peer.address.family() == IpAddress::Family::v6;
  return {.hostname = hostname, .family = v6 ? Family::inet6 : Family::inet, .port = connection.peer.port, .address = address};
}

// What it means that a filter said so; nothing: go on.
std::optional<Decision> decision_for(const Answer& answer, Stage stage) {
  Decision decision;
  switch (answer.response) {
    case Response::proceed:
    case Response::skip: return std::nullopt;
    case Response::accept: decision.verdict = Verdict::accept; break;
    case Response::discard: decision.verdict = Verdict::discard; break;
    case Response::reject:
      decision = Decision::reject("Refused by a filter", "5.7.1");
      if (stage == Stage::connect) decision.refusal.code = 554;  // RFC 5321 §3.1
      break;
    case Response::tempfail: decision = Decision::defer("Not now, try again later", "4.7.1"); break;
    case Response::shutdown:
    case Response::connection_failure: decision.verdict = Verdict::disconnect; break;
    case Response::reply:
      decision.verdict = answer.code == 421 ? Verdict::disconnect : answer.code < 500 ? Verdict::defer : Verdict::reject;
      decision.refusal = {answer.code, answer.status, answer.text};
      break;
  }
  if (stage == Stage::connect && decision.verdict == Verdict::defer) {  // RFC 5321 §4.2.2: a greeting is 220, 421 or 554
    decision.verdict = Verdict::disconnect;
    decision.refusal.code = 421;
  }
  return decision;
}

class MilterInspector final : public policy::Inspector {
 public:
  MilterInspector(const Options& options, Connections& connections, const SpoolProvider& spools, Log& log, resolver::Resolver* resolver,
                  const policy::Connection& connection)
      : options_(options), connections_(connections), spools_(spools), log_(log), resolver_(resolver), connection_(connection) {}

  Task<Result<Decision>> judge(Stage stage, const Facts& facts, Context context) override;
  Task<Result<Decision>> refused(Stage stage, const Facts& facts, std::uint16_t code, Context context) override;
  Task<Result<Decision>> unknown(std::string_view line, const Facts& facts, Context context) override;
  void reset() noexcept override;
  Task<void> close(Context context) override;

 private:
  [[nodiscard]] Task<void> find_name(const Facts& facts, Context context);
  [[nodiscard]] Task<Result<Decision>> say_unknown(std::string_view line, const Facts& facts, const Context& context);
  [[nodiscard]] Task<Result<Decision>> ask(Stage stage, const Facts& facts, const Context& context);
  [[nodiscard]] Task<Result<Decision>> say_stage(Stage stage, const Facts& facts, const Context& context);
  [[nodiscard]] Task<Result<std::optional<Decision>>> be_introduced(const Facts& facts, const Context& context);
  [[nodiscard]] Task<Result<std::optional<Decision>>> say_mail(const Facts& facts, const Context& context);
  [[nodiscard]] Task<Result<std::optional<Decision>>> say_recipient(const Facts& facts, const Context& context);
  [[nodiscard]] Task<Result<std::optional<Decision>>> say_header(const Facts& facts, const Context& context);
  [[nodiscard]] Task<Result<std::optional<Decision>>> say_body(const Facts& facts, const Context& context);
  [[nodiscard]] Task<Result<Decision>> say_message(const Facts& facts, const Context& context);
  [[nodiscard]] Task<Result<std::optional<Decision>>> answered(Stage stage, const Context& context);
  [[nodiscard]] Task<Result<Answer>> hear(Changes* changes, const Context& context);
  [[nodiscard]] Task<Result<void>> flush(Context context);
  [[nodiscard]] Task<Result<void>> read_more(const Context& context);
  [[nodiscard]] Decision failed(Stage stage, const Error& error);
  [[nodiscard]] Context until_deadline(Context context) const;
  [[nodiscard]] std::string message_id() const { return format("{}.{}", connection_.session, messages_ + 1); }

  const Options& options_;
  Connections& connections_;
  const SpoolProvider& spools_;
  Log& log_;
  resolver::Resolver* resolver_;         // may be null
  const policy::Connection& connection_;
  std::optional<ClientName> client_;     // once it was looked for
  bool has_refused_ = false;             // the command that is told to refused(), itself
  std::unique_ptr<Link> link_;           // null: there is none now
  bool is_connected_ = false;            // CONNECT was said to it
  std::string hello_;                    // the HELO that was said to it
  bool in_transaction_ = false;          // MAIL was said to it
  bool abort_due_ = false;               // and its transaction is over
  bool is_done_ = false;                 // with this transaction: it said so
  bool has_failed_ = false;              // in this transaction
  bool has_failed_early_ = false;        // before MAIL, at which it is asked anew
  bool wants_no_more_ = false;           // on this connection: it said so
  bool is_sound_ = true;                 // link_ is between two commands
  std::uint32_t messages_ = 0;           // that came to their end
};

void MilterInspector::reset() noexcept {
  abort_due_ = abort_due_ || in_transaction_;
  in_transaction_ = is_done_ = has_failed_ = false;
}

Task<Result<Decision>> MilterInspector::judge(Stage stage, const Facts& facts, Context context) {
  const bool speaks_here = stage == Stage::connect || stage == Stage::helo || stage == Stage::mail || stage == Stage::rcpt || stage == Stage::body;
  const bool before_mail = stage < Stage::mail;
  if (options_.skip_authenticated && !facts.login.empty()) is_done_ = is_done_ || !before_mail;
  // One that was not there a moment ago is not waited for again before it matters.
  if (!speaks_here || is_done_ || wants_no_more_ || (before_mail && has_failed_early_)) co_return Decision::proceed();
  Result<Decision> decided = fail(ErrorKind::unavailable, {}, "it failed before, in this transaction");
  if (!has_failed_) decided = co_await ask(stage, facts, context);
  // A connection that waited may have been closed meanwhile: that is known only now.
  if (!decided && !has_failed_ && stage <= Stage::mail && link_ && link_->reused && !link_->answered) {
    link_.reset();
    decided = co_await ask(stage, facts, context);
  }
  if (stage == Stage::body) ++messages_;
  if (decided) {
    is_done_ = decided->verdict == Verdict::accept || decided->verdict == Verdict::discard;
    has_refused_ = decided->verdict == Verdict::reject || decided->verdict == Verdict::defer || decided->verdict == Verdict::disconnect;
    if (stage == Stage::connect && client_) {  // for those that are asked later
      decided->edits.emplace_back(policy::Tag{std::string(name_tag), client_->name});
      decided->edits.emplace_back(policy::Tag{std::string(pointer_tag), client_->pointer});
      decided->edits.emplace_back(policy::Tag{std::string(resolve_tag), client_->resolve});
    }
    co_return decided;
  }
  const Decision decision = failed(stage, decided.error());
  co_return before_mail ? Decision::proceed() : decision;  // whoever says no more than QUIT needs no filter
}

// SMFIP_RCPT_REJ. What it answers changes nothing; that it fails does, as for every command.
Task<Result<Decision>> MilterInspector::refused(Stage stage, const Facts& facts, std::uint16_t, Context context) {
  const bool its_own = std::exchange(has_refused_, false);
  const bool is_told = stage == Stage::rcpt && link_ && is_sound_ && in_transaction_ && link_->session.wants_rejected_recipients();
  if (its_own || !is_told || is_done_ || wants_no_more_ || has_failed_) co_return Decision::proceed();
  const auto told = co_await ask(stage, facts, context);
  if (!told) (void)failed(stage, told.error());
  co_return Decision::proceed();
}

Task<Result<Decision>> MilterInspector::unknown(std::string_view line, const Facts& facts, Context context) {
  const bool is_told = link_ && is_sound_ && is_connected_ && link_->session.wants_unknown();
  if (!is_told || is_done_ || wants_no_more_ || has_failed_) co_return Decision::proceed();
  is_sound_ = false;
  auto decided = co_await say_unknown(line, facts, context);
  is_sound_ = decided.has_value();
  if (!decided) (void)failed(in_transaction_ ? Stage::mail : Stage::helo, decided.error());
  co_return decided ? *std::move(decided) : Decision::proceed();
}

Task<Result<Decision>> MilterInspector::say_unknown(std::string_view line, const Facts& facts, const Context& context) {
  if (abort_due_) link_->session.abort(context.executor->now());
  abort_due_ = false;
  const Macros macros(Stage::helo, facts, *client_, {});
  link_->session.unknown(line, macros.all(), context.executor->now());
  KM_CO_TRY(auto decided, co_await answered(Stage::helo, context));
  co_return decided ? *std::move(decided) : Decision::proceed();
}

// The name of who connects, when it leads back to the address (RFC 8601 §3); once a connection, for all filters.
Task<void> MilterInspector::find_name(const Facts& facts, Context context) {
  if (client_) co_return;
  if (const std::string_view known = facts.tag(resolve_tag); !known.empty()) {
    client_.emplace(ClientName{std::string(facts.tag(name_tag)), std::string(facts.tag(pointer_tag)), std::string(known)});
    co_return;
  }
  client_.emplace();
  if (resolver_ == nullptr) co_return;
  const mailauth::iprev::Options options{.time_max = options_.name_timeout};
  mailauth::iprev::Evaluation evaluation(connection_.peer.address, options, context.executor->now());
  const auto done = co_await authentication::evaluate(*resolver_, evaluation, context);
  if (!done) co_return;
  const auto& verdict = evaluation.verdict();
  using mailauth::iprev::Outcome;
  const bool is_named = verdict.outcome == Outcome::pass || verdict.outcome == Outcome::fail;
  if (is_named && !verdict.name.is_root()) client_->pointer = verdict.name.text();
  if (verdict.outcome == Outcome::pass) client_->name = client_->pointer;
  client_->resolve = verdict.outcome == Outcome::pass ? "OK" : verdict.outcome == Outcome::fail ? "FORGED" : verdict.outcome == Outcome::temperror ? "TEMP" : "FAIL";
}

Decision MilterInspector::failed(Stage stage, const Error& error) {
  link_.reset();
  in_transaction_ = abort_due_ = false;
  if (!has_failed_) {
    log_.event(LogLevel::warning, "milter.failed",
               {{"session", connection_.session}, {"milter", options_.name}, {"address", options_.address.to_string()},
                {"stage", policy::to_string(stage)}, {"why", error.describe()}});
  }
  has_failed_ = stage >= Stage::mail;
  has_failed_early_ = !has_failed_;
  const std::string reason = "filter failed: " + error.describe();
  switch (options_.failure) {
    case FailureAction::accept: break;
    case FailureAction::quarantine: return Decision::quarantine(reason);
    case FailureAction::reject: return Decision::reject("A check of this message could not be made", "5.7.1", reason);
    case FailureAction::tempfail: return Decision::defer("A check of this message could not be made, try again later", "4.7.1", reason);
  }
  return Decision::proceed();
}

Task<Result<Decision>> MilterInspector::ask(Stage stage, const Facts& facts, const Context& context) {
  if (!is_sound_) link_.reset();
  is_sound_ = false;
  auto decided = co_await say_stage(stage, facts, context);
  is_sound_ = decided.has_value();
  co_return decided;
}

Task<Result<Decision>> MilterInspector::say_stage(Stage stage, const Facts& facts, const Context& context) {
  if (stage == Stage::rcpt || stage == Stage::body) {
    if (!link_ || !in_transaction_) co_return fail(ErrorKind::internal, {}, "it was not told of the sender");
  }
  KM_CO_TRY(auto decided, co_await be_introduced(facts, context));
  if (!decided && stage == Stage::mail) {
    KM_CO_TRY(decided, co_await say_mail(facts, context));
  }
  if (!decided && stage == Stage::rcpt) {
    KM_CO_TRY(decided, co_await say_recipient(facts, context));
  }
  if (decided) co_return *std::move(decided);
  if (stage == Stage::body) co_return co_await say_message(facts, context);
  co_return Decision::proceed();
}

// A connection on which all has been said that comes before MAIL.
Task<Result<std::optional<Decision>>> MilterInspector::be_introduced(const Facts& facts, const Context& context) {
  if (!link_) {
    is_connected_ = in_transaction_ = abort_due_ = false;
    hello_.clear();
    const ClientOptions wanted{.body_octets_max = options_.body_octets_max,
                               .send_timeout = options_.command_timeout,
                               .reply_timeout = options_.command_timeout,
                               .end_timeout = options_.end_timeout};
    if (options_.reuse) link_ = connections_.take(options_.address, *context.executor);
    if (!link_) {
      const Instant end = std::min<Instant>(context.deadline, context.executor->now() + options_.connect_timeout);
      KM_CO_TRY(link_, co_await connections_.open(options_.address, wanted, context.until(end)));
      link_->session.begin(context.executor->now());
      KM_CO_TRY(const Answer agreed, co_await hear(nullptr, context));
      if (agreed.response != Response::proceed) co_return fail(ErrorKind::unavailable, {}, "it does not want to talk");
    }
  }
  if (!is_connected_) {
    co_await find_name(facts, context);
    const std::string address = connection_.peer.address.to_string(), hostname = client_->shown(connection_.peer.address);
    const Macros macros(Stage::connect, facts, *client_, {});
    link_->session.connect(peer_of(connection_, hostname, address), macros.all(), context.executor->now());
    KM_CO_TRY(auto decided, co_await answered(Stage::connect, context));
    wants_no_more_ = decided && decided->verdict == Verdict::accept;
    is_connected_ = !decided || wants_no_more_;
    if (decided) co_return decided;
  }
  const bool is_new_hello = !facts.hello.empty() && facts.hello != hello_;
  if (abort_due_ || (in_transaction_ && is_new_hello)) link_->session.abort(context.executor->now());
  abort_due_ = false;
  if (!is_new_hello) co_return std::nullopt;
  in_transaction_ = false;
  const Macros macros(Stage::helo, facts, *client_, {});
  link_->session.helo(facts.hello, macros.all(), context.executor->now());
  KM_CO_TRY(auto decided, co_await answered(Stage::helo, context));
  wants_no_more_ = decided && decided->verdict == Verdict::accept;
  if (!decided) hello_ = facts.hello;
  co_return decided;
}

Task<Result<std::optional<Decision>>> MilterInspector::say_mail(const Facts& facts, const Context& context) {
  const std::string path = "<" + std::string(facts.sender) + ">", size = "SIZE=" + std::to_string(facts.octets);
  std::vector<std::string_view> arguments{path};
  if (facts.octets > 0) arguments.push_back(size);
  if (facts.smtputf8) arguments.push_back("SMTPUTF8");
  const Macros macros(Stage::mail, facts, *client_, message_id());
  in_transaction_ = true;
  link_->session.mail(arguments, macros.all(), context.executor->now());
  co_return co_await answered(Stage::mail, context);
}

Task<Result<std::optional<Decision>>> MilterInspector::say_recipient(const Facts& facts, const Context& context) {
  const std::string path = "<" + facts.recipients.back().address + ">";
  const std::array<std::string_view, 1> arguments{path};
  const Macros macros(Stage::rcpt, facts, *client_, message_id());
  link_->session.rcpt(arguments, macros.all(), context.executor->now());
  co_return co_await answered(Stage::rcpt, context);
}

Task<Result<Decision>> MilterInspector::say_message(const Facts& facts, const Context& context) {
  const Macros macros(Stage::body, facts, *client_, message_id());
  link_->session.data(macros.all(), context.executor->now());
  KM_CO_TRY(auto decided, co_await answered(Stage::body, context));
  if (!decided) {
    KM_CO_TRY(decided, co_await say_header(facts, context));
  }
  if (!decided) {
    link_->session.end_of_header(macros.all(), context.executor->now());
    KM_CO_TRY(decided, co_await answered(Stage::body, context));
  }
  if (!decided) {
    KM_CO_TRY(decided, co_await say_body(facts, context));
  }
  if (decided) co_return *std::move(decided);
  Changes changes(spools_, link_->session.keeps_leading_space() ? policy::Lead::nothing : policy::Lead::blank);
  link_->session.end_of_message(macros.all(), context.executor->now());
  KM_CO_TRY(const Answer answer, co_await hear(&changes, context));
  in_transaction_ = false;  // to the filter too
  Decision decision = decision_for(answer, Stage::body).value_or(Decision::proceed());
  if (decision.verdict == Verdict::proceed || decision.verdict == Verdict::accept) {
    if (changes.quarantine()) decision = Decision::quarantine(*changes.quarantine());
    decision.edits = std::move(changes).edits();
  }
  co_return decision;
}

Task<Result<std::optional<Decision>>> MilterInspector::say_header(const Facts& facts, const Context& context) {
  if (!link_->session.wants_headers()) co_return std::nullopt;
  mime::HeaderReader reader(facts.header);
  while (const auto field = reader.next()) {
    if (field->name.empty()) continue;  // no field, whatever it is
    link_->session.header(field->name, field->value, context.executor->now());
    KM_CO_TRY(auto decided, co_await answered(Stage::body, context));
    if (decided) co_return decided;
  }
  co_return std::nullopt;
}

Task<Result<std::optional<Decision>>> MilterInspector::say_body(const Facts& facts, const Context& context) {
  std::string piece;
  const std::uint64_t octets = facts.body ? facts.body->octets() : 0;
  for (std::uint64_t at = 0; at < octets && link_->session.wants_body(); at += piece.size()) {
    piece.clear();
    KM_CO_CHECK(facts.body->read(at, limits::body_chunk_octets_max, piece));
    if (piece.empty()) co_return fail(ErrorKind::unavailable, {}, "a body came back short");
    link_->session.body(piece, context.executor->now());
    KM_CO_TRY(auto decided, co_await answered(Stage::body, context));
    if (decided) co_return decided;
  }
  co_return std::nullopt;
}

Task<Result<std::optional<Decision>>> MilterInspector::answered(Stage stage, const Context& context) {
  KM_CO_TRY(const Answer answer, co_await hear(nullptr, context));
  co_return decision_for(answer, stage);
}

// Waits for the answer to what was said last.
Task<Result<Answer>> MilterInspector::hear(Changes* changes, const Context& context) {
  for (;;) {
    const Event event = link_->session.next_event();
    if (const auto* answer = std::get_if<Answer>(&event)) {
      if (link_->session.pending_output().size() > output_octets_max) KM_CO_CHECK(co_await flush(context));
      co_return *answer;
    }
    if (const auto* fault = std::get_if<Failed>(&event)) {
      co_return fail(fault->fault == Fault::timed_out ? ErrorKind::timeout : ErrorKind::unavailable, {}, std::string(to_string(fault->fault)));
    }
    if (!std::holds_alternative<NeedInput>(event)) {
      if (!changes) co_return fail(ErrorKind::internal, {}, "an edit before the end");
      KM_CO_CHECK(changes->take(event));
    } else if (!link_->session.pending_output().empty()) {
      KM_CO_CHECK(co_await flush(context));
    } else {
      KM_CO_CHECK(co_await read_more(context));
    }
  }
}

Context MilterInspector::until_deadline(Context context) const {
  if (const auto end = link_->session.deadline()) context.deadline = std::min(context.deadline, *end);
  return context;
}

Task<Result<void>> MilterInspector::flush(Context context) {
  const std::string_view output = link_->session.pending_output();
  KM_CO_CHECK(co_await link_->stream->write({&output, 1}, until_deadline(context)));
  link_->session.consume_output(output.size(), context.executor->now());
  co_return Result<void>();
}

Task<Result<void>> MilterInspector::read_more(const Context& context) {
  const auto got = co_await link_->stream->read(until_deadline(context));
  const Instant now = context.executor->now();
  if (got && !got->empty()) {
    link_->answered = true;
    const std::size_t taken = link_->session.receive(*got, now);
    link_->stream->consume(taken);
  } else if (got) {
    link_->session.receive_end(now);
  } else if (got.error().kind() == ErrorKind::timeout && now < context.deadline) {
    link_->session.expire(now);
  } else {
    co_return std::unexpected(got.error());
  }
  co_return Result<void>();
}

Task<void> MilterInspector::close(Context context) {
  if (!link_ || !is_sound_) co_return link_.reset();
  const Instant now = context.executor->now();
  if (in_transaction_ || abort_due_) link_->session.abort(now);
  const bool reusable = options_.reuse && is_connected_ && link_->session.speaks_quit_new_connection();
  if (reusable) link_->session.quit_new_connection(now);
  else link_->session.quit(now);
  const auto written = co_await flush(context);
  if (written && reusable && link_->stream->unconsumed() == 0) {
    connections_.keep(options_.address, *context.executor, std::move(link_));
  } else if (written) {
    co_await link_->stream->close(context);
  }
  link_.reset();
}

}  // namespace

std::unique_ptr<policy::Inspector> Milter::inspect(const policy::Connection& connection) {
  const bool asked = std::ranges::find(options_.services, connection.service) != options_.services.end();
  if (!asked || (options_.skip_trusted && connection.trusted)) return nullptr;
  return std::make_unique<MilterInspector>(options_, connections_, spools_, log_, resolver_, connection);
}

}  // namespace keystonemail::milter
