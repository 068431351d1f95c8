// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The frame of check_host(): identities, records, limits, explanations. The mechanisms are in match.cpp.
#include "mailauth/spf/state.hpp"

#include <algorithm>
#include <utility>

#include "base/format.hpp"
#include "keystonemail/base/text.hpp"

namespace keystonemail::mailauth::spf {
namespace {

// The identity's parts (§2.3, §2.4, §4.3): without a local part it is "postmaster".
struct Sender {
  std::string local_part = "postmaster";
  std::string domain;
};

Sender sender_of(const Input& input) {
  Sender out;
  if (input.identity == Identity::helo || input.mail_from.empty()) {
    out.domain = input.helo;
    return out;
  }
  const std::size_t at = input.mail_from.rfind('@');
  if (at == std::string::npos) {
    out.domain = input.mail_from;
    return out;
  }
  if (at > 0) out.local_part = input.mail_from.substr(0, at);
  out.domain = input.mail_from.substr(at + 1);
  return out;
}

std::string describe(const dns::Question& question, const dns::Answer& answer) {
  const std::string asked = format("{} {}: ", to_string(question.type), question.name.text());
  if (answer.status != dns::AnswerStatus::found) return asked + std::string(to_string(answer.status));
  std::string out;
  for (const auto& data : answer.records) out += (out.empty() ? "" : ", ") + to_string(data);
  return asked + out;
}

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; });
}

// What a record's term looks like in a message of ours: no octet of a stranger's that could do harm in a header.
std::string quoted(std::string_view term) {
  std::string out;
  for (const char c : term.substr(0, 100)) out += c > 0x20 && c < 0x7f ? c : '?';
  return out;
}

}  // namespace

Evaluation::State::State(Input input, Options options, Instant now)
    : input_(std::move(input)), options_(options), dialogue_(now + options.time_max) {}

// A task must have ended before it goes: whatever it still asks is not answered.
Evaluation::State::~State() { dialogue_.expire(); }

void Evaluation::State::start() { task_.emplace(run()); }

Task<dns::Answer> Evaluation::State::ask(dns::Name name, dns::RecordType type, Purpose purpose) {
  const dns::Question question{name, type};
  dns::Answer answer = co_await dialogue_.ask(std::move(name), type);
  if (is_traced()) step(describe(question, answer));
  const bool is_void = answer.status == dns::AnswerStatus::no_such_name || answer.status == dns::AnswerStatus::no_data;
  if (is_void && purpose == Purpose::term) ++verdict_.void_lookups;
  co_return answer;
}

// §4.6.4: one more term that asks the DNS.
bool Evaluation::State::take_lookup() {
  if (verdict_.lookups == options_.lookups_max) return false;
  ++verdict_.lookups;
  return true;
}

Evaluation::State::Match Evaluation::State::trouble(Match match, std::string problem) {
  if (verdict_.problem.empty()) verdict_.problem = std::move(problem);
  return match;
}

Outcome Evaluation::State::trouble(Outcome outcome, std::string problem) {
  if (verdict_.problem.empty()) verdict_.problem = std::move(problem);
  return outcome;
}

std::string_view Evaluation::State::word_for(Match match, Outcome on_match) noexcept {
  switch (match) {
    case Match::no: return "no match";
    case Match::yes: return to_string(on_match);
    case Match::temperror: return to_string(Outcome::temperror);
    case Match::permerror: return to_string(Outcome::permerror);
  }
  return "";
}

Task<void> Evaluation::State::run() {
  const bool is_helo = input_.identity == Identity::helo || input_.mail_from.empty();
  verdict_.identity = is_helo ? Identity::helo : Identity::mail_from;
  verdict_.identity_text = is_helo ? input_.helo : input_.mail_from;
  Sender sender = sender_of(input_);
  const auto domain = dns::Name::from_domain(sender.domain);
  if (!domain || domain->label_count() < 2) {  // §4.3
    verdict_.outcome = trouble(Outcome::none, "the identity has no domain name");
    co_return;
  }
  verdict_.domain = domain->text();
  values_ = {.local_part = std::move(sender.local_part), .sender_domain = domain->text(), .domain = domain->text(),
             .helo = input_.helo, .receiver = input_.receiver, .validated_name = "unknown", .client = input_.client, .now = input_.now};
  Frame frame{.domain = *domain, .depth = 0, .is_included = false};
  verdict_.outcome = co_await check_host(std::move(frame));
  if (verdict_.outcome == Outcome::pass || verdict_.outcome == Outcome::fail || verdict_.outcome == Outcome::softfail ||
      verdict_.outcome == Outcome::neutral) {
    verdict_.problem.clear();
  } else {
    verdict_.mechanism.clear();
  }
  if (verdict_.outcome == Outcome::fail) co_await explain();
}

// §4.4, §4.5
Task<Outcome> Evaluation::State::check_host(Frame frame) {
  depth_ = frame.depth;
  const dns::Answer answer = co_await ask(frame.domain, dns::RecordType::txt, Purpose::other);
  if (dns::is_temporary(answer.status)) {
    co_return trouble(Outcome::temperror, format("{}: {}", frame.domain.text(), to_string(answer.status)));
  }
  std::vector<std::string> records;
  for (const auto& data : answer.records) {
    std::string text = std::get<dns::Txt>(data).joined();
    if (is_record(text)) records.push_back(std::move(text));
  }
  if (records.empty()) co_return trouble(Outcome::none, format("{} has no SPF record", frame.domain.text()));
  if (records.size() > 1) co_return trouble(Outcome::permerror, format("{} has more than one SPF record", frame.domain.text()));
  auto record = parse_record(records.front());
  if (!record) {
    co_return trouble(Outcome::permerror, format("{}: this term is wrong: {}", frame.domain.text(), quoted(record.error())));
  }
  Record parsed = *std::move(record);
  co_return co_await evaluate(std::move(frame), std::move(parsed));
}

// §4.6.2, §4.7
Task<Outcome> Evaluation::State::evaluate(Frame frame, Record record) {
  for (const auto& directive : record.directives) {
    const Match found = co_await match(frame, directive);
    depth_ = frame.depth;
    if (is_traced()) step(format("{}: {}", quoted(directive.text), word_for(found, directive.on_match)));
    if (found == Match::temperror) co_return Outcome::temperror;
    if (found == Match::permerror) co_return Outcome::permerror;
    if (found == Match::no) continue;
    if (!frame.is_included) {
      verdict_.mechanism = quoted(directive.text);
      explanation_ = std::move(record.explanation);
      explained_domain_ = frame.domain;
    }
    co_return directive.on_match;
  }
  if (!record.redirect || record.has_all) co_return Outcome::neutral;
  MacroString target = *std::move(record.redirect);
  co_return co_await redirect(std::move(frame), std::move(target));
}

// §6.1
Task<Outcome> Evaluation::State::redirect(Frame frame, MacroString target) {
  if (!take_lookup()) co_return trouble(Outcome::permerror, "too many DNS lookups");
  const auto expansion = co_await expand_in(frame.domain, target);
  const auto name = expansion ? to_target_name(*expansion) : std::nullopt;
  if (!name || name->label_count() < 2) co_return trouble(Outcome::permerror, "redirect leads to no domain name");
  if (is_traced()) step("redirect=" + name->text());
  Frame next{.domain = *name, .depth = frame.depth + 1, .is_included = frame.is_included};
  const Outcome outcome = co_await check_host(std::move(next));
  co_return outcome == Outcome::none ? Outcome::permerror : outcome;
}

// §7, in a record of `domain`
Task<std::optional<std::string>> Evaluation::State::expand_in(dns::Name domain, const MacroString& macro_string) {
  values_.domain = domain.text();
  if (macro_string.uses('p')) {
    co_await find_validated_names();
    const auto& names = *validated_names_;
    auto best = std::ranges::find(names, domain);
    if (best == names.end()) best = std::ranges::find_if(names, [&](const auto& name) { return name.is_within(domain); });
    if (best == names.end()) best = names.begin();
    values_.validated_name = best == names.end() ? "unknown" : best->text();
  }
  co_return expand(macro_string, values_);
}

// §6.2: whatever goes wrong, there is no explanation.
Task<void> Evaluation::State::explain() {
  if (!explanation_) co_return;
  const auto target = co_await expand_in(explained_domain_, *explanation_);
  const auto name = target ? to_target_name(*target) : std::nullopt;
  if (!name) co_return;
  const dns::Answer answer = co_await ask(*name, dns::RecordType::txt, Purpose::other);
  if (answer.status != dns::AnswerStatus::found || answer.records.size() != 1) co_return;
  const auto text = parse_macro_string(std::get<dns::Txt>(answer.records.front()).joined(), MacroSet::explanation);
  if (!text) co_return;
  auto expansion = co_await expand_in(explained_domain_, *text);
  if (!expansion || !is_printable(*expansion)) co_return;
  if (expansion->size() > limits::explanation_octets_max) expansion->resize(limits::explanation_octets_max);
  verdict_.explanation = *std::move(expansion);
}

}  // namespace keystonemail::mailauth::spf
