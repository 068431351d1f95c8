// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/policy/chain.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace keystonemail::policy {

namespace {

constexpr std::string_view failure_text = "A check of this message could not be made, try again later";

bool is_refusal(Verdict verdict) noexcept {
  return verdict == Verdict::reject || verdict == Verdict::defer || verdict == Verdict::disconnect;
}

// A digit, a dot and two numbers (RFC 3463 §2), of the class that the code has.
bool status_fits(std::string_view status, std::uint16_t code) noexcept {
  if (status.size() < 5 || status[0] != static_cast<char>('0' + code / 100) || status[1] != '.') return false;
  const auto dot = status.find('.', 2);
  const auto number = [](std::string_view text) {
    return !text.empty() && text.size() <= 3 && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  };
  return dot != std::string_view::npos && number(status.substr(2, dot - 2)) && number(status.substr(dot + 1));
}

// RFC 5321 §4.2: a refusal of the kind that its verdict names, whatever the policy wrote.
Refusal completed(Verdict verdict, Refusal refusal) {
  const bool permanent = verdict == Verdict::reject;
  const std::uint16_t lowest = permanent ? 500 : 400;
  if (verdict == Verdict::disconnect && refusal.code / 100 != 5) refusal.code = 421;  // RFC 5321 §3.8
  if (verdict != Verdict::disconnect && (refusal.code < lowest || refusal.code > lowest + 99)) refusal.code = permanent ? 550 : 451;
  if (!status_fits(refusal.status, refusal.code)) refusal.status = refusal.code >= 500 ? "5.7.1" : "4.7.1";
  if (refusal.text.empty()) refusal.text = permanent ? "Refused by policy" : "Not now, try again later";
  return refusal;
}

}  // namespace

Screening::Screening(std::vector<std::shared_ptr<Policy>> policies, const ChainOptions& options, Log& log, Connection connection)
    : options_(options), log_(&log), connection_(std::make_unique<Connection>(std::move(connection))) {
  for (auto& policy : policies) {
    if (auto inspector = policy->inspect(*connection_)) seats_.push_back({.policy = policy, .inspector = std::move(inspector)});
  }
}

Facts Screening::facts() const noexcept { return {.connection = *connection_}; }

Task<Outcome> Screening::judge(Stage stage, Facts facts, Context context, Draft* draft) {
  Outcome outcome;
  const bool is_lasting = stage < Stage::mail;
  Lasting said;
  if (stage == Stage::mail) take_lasting(!facts.login.empty(), outcome);
  const Standing before = standing_;
  for (Seat& seat : seats_) {
    if (seat.done_with_connection || seat.done_with_transaction) continue;
    facts.tags = tags_;
    if (draft) {
      facts.header = draft->header();
      facts.body = draft->body().get();
      facts.revision = draft->revision();
    }
    auto decided = co_await ask(seat, stage, facts, context);
    Decision decision = decided ? *std::move(decided) : Decision::defer(std::string(failure_text), {}, decided.error().describe());
    log_decision(seat, stage, decision);
    take_edits(decision.edits, stage, draft, is_lasting ? said.edits : outcome.edits);
    outcome.delay = std::min(outcome.delay + std::max(decision.delay, std::chrono::milliseconds(0)), options_.delay_max);
    if (is_refusal(decision.verdict)) {
      refuse(outcome, seat, std::move(decision));
      if (stage == Stage::rcpt) standing_ = before;
      co_return outcome;
    }
    if (decision.verdict == Verdict::accept) {
      (is_lasting ? seat.done_with_connection : seat.done_with_transaction) = true;
    }
    if (decision.verdict == Verdict::discard || decision.verdict == Verdict::quarantine) {
      stand(is_lasting ? said.standing : standing_, {decision.verdict, std::string(seat.policy->name()), std::move(decision.reason)});
    }
  }
  const Standing& standing = is_lasting ? said.standing : standing_;
  outcome.verdict = standing.verdict;
  outcome.policy = standing.policy;
  outcome.reason = standing.reason;
  if (is_lasting) lasting_[static_cast<std::size_t>(stage)] = std::move(said);
  co_return outcome;
}

// To throw a message away is the stronger word of the two.
void Screening::stand(Standing& standing, const Standing& said) {
  if (said.verdict == Verdict::discard || (said.verdict == Verdict::quarantine && standing.verdict == Verdict::proceed)) standing = said;
}

void Screening::take_lasting(bool logged_in, Outcome& outcome) {
  for (std::size_t i = 0; i < lasting_.size(); ++i) {
    if (static_cast<Stage>(i) == Stage::auth && !logged_in) continue;
    stand(standing_, lasting_[i].standing);
    outcome.edits.insert(outcome.edits.end(), lasting_[i].edits.begin(), lasting_[i].edits.end());
  }
}

void Screening::refuse(Outcome& outcome, const Seat& seat, Decision decision) const {
  outcome.verdict = decision.verdict;
  outcome.refusal = completed(decision.verdict, std::move(decision.refusal));
  outcome.policy = seat.policy->name();
  outcome.reason = decision.reason.empty() ? outcome.refusal.text : std::move(decision.reason);
}

// What cannot be made here is left to the caller.
void Screening::take_edits(std::vector<Edit>& edits, Stage stage, Draft* draft, std::vector<Edit>& left) {
  if (draft) draft->apply(edits);
  for (Edit& edit : edits) {
    if (auto* tag = std::get_if<Tag>(&edit)) {
      tags_.push_back(std::move(*tag));
      if (stage < Stage::mail) connection_tags_ = tags_.size();
    } else if (!draft || !edits_message(edit)) {
      left.push_back(std::move(edit));
    }
  }
}

Task<Outcome> Screening::refused(Stage stage, Facts facts, std::uint16_t code, Context context) {
  Outcome outcome;
  facts.tags = tags_;
  for (Seat& seat : seats_) {
    Decision decision = co_await tell(seat, stage, facts, code, context);
    outcome.delay = std::min(outcome.delay + std::max(decision.delay, std::chrono::milliseconds(0)), options_.delay_max);
    if (decision.verdict != Verdict::disconnect || outcome.verdict == Verdict::disconnect) continue;
    log_decision(seat, stage, decision);
    outcome.verdict = Verdict::disconnect;
    outcome.refusal = completed(Verdict::disconnect, std::move(decision.refusal));
    outcome.policy = seat.policy->name();
    outcome.reason = std::move(decision.reason);
  }
  co_return outcome;
}

Task<Outcome> Screening::unknown(std::string_view line, Facts facts, Context context) {
  Outcome outcome;
  facts.tags = tags_;
  context.deadline = std::min(context.deadline, context.executor->now() + options_.time_max);
  for (Seat& seat : seats_) {
    if (seat.failed || seat.done_with_connection || seat.done_with_transaction) continue;
    try {
      auto decided = co_await seat.inspector->unknown(line, facts, context);
      if (!decided || !is_refusal(decided->verdict)) continue;
      log_decision(seat, Stage::connect, *decided);
      refuse(outcome, seat, *std::move(decided));
      break;
    } catch (...) {  // the line is refused all the same
    }
  }
  co_return outcome;
}

// Whoever fails here changes nothing: the command is refused already.
Task<Decision> Screening::tell(Seat& seat, Stage stage, const Facts& facts, std::uint16_t code, Context context) {
  context.deadline = std::min(context.deadline, context.executor->now() + options_.time_max);
  try {
    auto decided = co_await seat.inspector->refused(stage, facts, code, context);
    co_return decided ? *std::move(decided) : Decision::proceed();
  } catch (...) {
    co_return Decision::proceed();
  }
}

Task<bool> Screening::receive(std::string_view octets, Context context) {
  bool sound = true;
  for (Seat& seat : seats_) {
    if (seat.failed || seat.done_with_connection || seat.done_with_transaction) continue;
    try {
      const auto taken = co_await seat.inspector->receive(octets, context);
      seat.failed = !taken;
    } catch (...) {
      seat.failed = true;
    }
    sound = sound && !seat.failed;
  }
  co_return sound;
}

void Screening::reset() noexcept {
  for (Seat& seat : seats_) {
    seat.done_with_transaction = seat.failed = false;
    seat.inspector->reset();
  }
  tags_.resize(connection_tags_);  // what was found out about the connection itself stays
  standing_ = {};
}

std::string_view Screening::tag(std::string_view name) const noexcept {
  Facts known = facts();
  known.tags = tags_;
  return known.tag(name);
}

Task<void> Screening::close(Context context) {
  for (Seat& seat : seats_) {
    try {
      co_await seat.inspector->close(context);
    } catch (...) {  // it is over all the same
    }
  }
}

Task<Result<Decision>> Screening::ask(Seat& seat, Stage stage, const Facts& facts, Context context) {
  if (seat.failed) co_return fail(ErrorKind::unavailable, "", "failed while the message came in");
  context.deadline = std::min(context.deadline, context.executor->now() + seat.policy->time_max().value_or(options_.time_max));
  try {
    co_return co_await seat.inspector->judge(stage, facts, context);
  } catch (const std::exception& thrown) {
    co_return fail(ErrorKind::internal, "", thrown.what());
  } catch (...) {
    co_return fail(ErrorKind::internal, "", "threw what is no exception");
  }
}

void Screening::log_decision(const Seat& seat, Stage stage, const Decision& decision) const {
  const bool is_usual = decision.verdict == Verdict::proceed || decision.verdict == Verdict::accept;
  if (is_usual && decision.reason.empty()) return;
  if (options_.tally && !is_usual) options_.tally->count(seat.policy->name(), decision.verdict);
  if (decision.quiet) return;
  log_->event(LogLevel::info, "policy.decided",
              {{"session", connection_->session},
               {"policy", seat.policy->name()},
               {"stage", to_string(stage)},
               {"verdict", to_string(decision.verdict)},
               {"reason", decision.reason.empty() ? decision.refusal.text : decision.reason}});
}

}  // namespace keystonemail::policy
