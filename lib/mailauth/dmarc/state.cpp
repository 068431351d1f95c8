// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "mailauth/dmarc/state.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "keystonemail/mailauth/dmarc/organizational_domain.hpp"

namespace keystonemail::mailauth::dmarc {
namespace {

// RFC 9989 §4.10 step 4: from names of eight labels or more the walk goes on with seven.
constexpr std::size_t walk_labels_max = limits::walk_questions_max - 1;

dns::Name suffix_of(dns::Name name, std::size_t labels) {
  while (name.label_count() > labels) name = name.parent();
  return name;
}

// One step milder (RFC 7489 §6.6.4, RFC 9989 §4.7 on t).
Policy milder(Policy policy) { return policy == Policy::reject ? Policy::quarantine : Policy::none; }

}  // namespace

Evaluation::State::State(Input input, Options options, Instant now)
    : input_(std::move(input)), options_(options), dialogue_(now + options.time_max) {
  verdict_.author = input_.author;
}

Task<void> Evaluation::State::run() {
  bool has_policy = false;
  if (options_.discovery == Discovery::tree_walk) has_policy = co_await find_policy_by_walk();
  else has_policy = co_await find_policy_by_list();
  if (!has_policy) co_return;
  co_await choose_policy();
  co_await align();
  apply();
}

bool Evaluation::State::fail_temporarily() {
  verdict_.outcome = Outcome::temperror;
  verdict_.problem = "the DMARC policy of " + input_.author.text() + " cannot be looked up now";
  return false;
}

// RFC 9989 §4.10.1: that of the author's domain, else of its organizational domain, else of the public suffix above.
Task<bool> Evaluation::State::find_policy_by_walk() {
  Lookup own = co_await look_up(input_.author);
  if (own.is_temporary) co_return fail_temporarily();
  if (own.record) {
    verdict_.policy_domain = input_.author;
    verdict_.record = std::move(own.record);
    co_return true;
  }
  Walk way = co_await walk(input_.author);
  if (way.is_temporary) co_return fail_temporarily();
  if (way.found.empty()) co_return false;
  const dns::Name organization = select_organization(input_.author, way.found);
  auto chosen = std::ranges::find(way.found, organization, &Found::name);
  if (chosen == way.found.end()) chosen = std::prev(way.found.end());  // the public suffix's, where the walk ended
  verdict_.policy_domain = chosen->name;
  verdict_.record = std::move(chosen->record);
  co_return true;
}

// RFC 7489 §6.6.3. The organizational domain is asked where the author's has no record (step 3); one that cannot be used, or
// several, end the search (steps 5 and 6).
Task<bool> Evaluation::State::find_policy_by_list() {
  const std::array<dns::Name, 2> names{input_.author, organizational_domain(input_.author)};
  for (const dns::Name& name : names) {
    Lookup found = co_await look_up(name);
    if (found.is_temporary) co_return fail_temporarily();
    if (found.is_spoilt) co_return false;
    if (!found.record) continue;
    verdict_.policy_domain = name;
    verdict_.record = std::move(found.record);
    co_return true;
  }
  co_return false;
}

// p for the name of the record, for those below it sp, or np when they do not exist (RFC 8020).
Task<void> Evaluation::State::choose_policy() {
  const Record& record = *verdict_.record;
  verdict_.policy = record.policy;
  if (verdict_.policy_domain == input_.author) co_return;
  verdict_.policy = record.subdomain_policy.value_or(record.policy);
  if (!record.missing_policy || *record.missing_policy == verdict_.policy) co_return;
  ++verdict_.questions;
  const dns::Answer answer = co_await dialogue_.ask(input_.author, dns::RecordType::a);
  // Which of the two it is, is asked of a message that fails alone: the stricter one, until it is known.
  is_uncertain_ = is_uncertain_ || dns::is_temporary(answer.status);
  if (answer.status == dns::AnswerStatus::no_such_name) verdict_.policy = *record.missing_policy;
  else if (dns::is_temporary(answer.status)) verdict_.policy = std::max(verdict_.policy, *record.missing_policy);
}

// RFC 7489 §6.6.2 step 5. What might have passed, had the DNS answered, makes it a temperror when nothing passes.
Task<void> Evaluation::State::align() {
  bool passes = false, might_pass = false;
  const std::size_t count = std::min(input_.identifiers.size(), limits::identifiers_max);
  for (std::size_t i = 0; i < count; ++i) {
    const Identifier& identifier = input_.identifiers[i];
    const auto domain = dns::Name::from_domain(identifier.domain);
    if (!domain) continue;
    const Alignment mode = identifier.method == Method::spf ? verdict_.record->spf_alignment : verdict_.record->dkim_alignment;
    const Aligned aligned = co_await alignment_of(*domain, mode);
    verdict_.identifiers.push_back({identifier, aligned == Aligned::yes});
    passes |= aligned == Aligned::yes && identifier.standing == Standing::pass;
    might_pass |= aligned == Aligned::unknown || (aligned == Aligned::yes && identifier.standing == Standing::temporary);
  }
  verdict_.outcome = passes ? Outcome::pass : might_pass || is_uncertain_ ? Outcome::temperror : Outcome::fail;
  if (verdict_.outcome == Outcome::temperror) verdict_.problem = "an identifier of " + input_.author.text() + " cannot be looked up now";
}

// RFC 9989 §4.4, RFC 7489 §3.1. Names are A-labels (D10).
Task<Evaluation::State::Aligned> Evaluation::State::alignment_of(dns::Name domain, Alignment mode) {
  if (domain == input_.author) co_return Aligned::yes;
  if (mode == Alignment::strict) co_return Aligned::no;
  const Organization ours = co_await organization_of(input_.author);
  if (ours.is_temporary) co_return Aligned::unknown;
  if (!domain.is_within(ours.name)) co_return Aligned::no;
  const Organization theirs = co_await organization_of(std::move(domain));
  if (theirs.is_temporary) co_return Aligned::unknown;
  co_return theirs.name == ours.name ? Aligned::yes : Aligned::no;
}

Task<Evaluation::State::Organization> Evaluation::State::organization_of(dns::Name name) {
  Organization out;
  if (options_.discovery == Discovery::public_suffix_list) {
    out.name = organizational_domain(name);
    co_return out;
  }
  const Walk way = co_await walk(name);
  out.name = select_organization(name, way.found);
  out.is_temporary = way.is_temporary || (way.is_cut_at_suffix && out.name != organizational_domain(name));
  co_return out;
}

// RFC 9989 §4.10.2. Beyond it, no public suffix of the list becomes an organization unless it says psd=n: a record there that
// knows nothing of psd= must not make all domains below it one.
dns::Name Evaluation::State::select_organization(const dns::Name& start, std::span<const Found> found) {
  if (found.empty()) return start;
  const Found& last = found.back();  // the fewest labels, or where psd= ended the walk
  const bool is_suffix = last.record.public_suffix == PublicSuffix::yes && last.name != start;
  const dns::Name organization = is_suffix ? suffix_of(start, last.name.label_count() + 1) : last.name;
  const bool is_claimed = last.record.public_suffix == PublicSuffix::no;
  return !is_claimed && organization != start && is_public_suffix(organization) ? organizational_domain(start) : organization;
}

// RFC 9989 §4.10. Beyond it, a public suffix by the list is one unless it says psd=n. Its servers are not the domain's, and
// those of some suffixes never answer such questions: where one cannot be asked, the list and what was found below are enough
// for a message to pass, and for a domain without a record to have none; but not for one to fail (T10).
Task<Evaluation::State::Walk> Evaluation::State::walk(dns::Name start) {
  Walk out;
  for (dns::Name name = start; !name.is_root();) {
    Lookup here = co_await look_up(name);
    if (here.is_temporary) {
      out.is_cut_at_suffix = name != start && is_public_suffix(name);
      out.is_temporary = !out.is_cut_at_suffix;
      is_uncertain_ = is_uncertain_ || out.is_cut_at_suffix;
      break;
    }
    dns::Name next = name.label_count() > walk_labels_max ? suffix_of(name, walk_labels_max) : name.parent();
    if (here.record) {
      Found found{.name = name, .record = *std::move(here.record)};
      auto& suffix = found.record.public_suffix;
      if (suffix == PublicSuffix::unknown && name != start && is_public_suffix(name)) suffix = PublicSuffix::yes;
      const bool ends = suffix != PublicSuffix::unknown;
      out.found.push_back(std::move(found));
      if (ends) break;
    }
    name = std::move(next);
  }
  co_return out;
}

// Beyond questions_max a name counts as one that could not be asked.
Task<Evaluation::State::Lookup> Evaluation::State::look_up(dns::Name name) {
  if (const auto known = known_.find(name); known != known_.end()) co_return known->second;
  Lookup out;
  auto policy_name = name.prefixed("_dmarc");
  if (!policy_name) co_return out;  // too long a name for one to be there
  out.is_temporary = verdict_.questions >= limits::questions_max;
  if (out.is_temporary) co_return out;
  ++verdict_.questions;
  dns::Name asked = *std::move(policy_name);
  const dns::Answer answer = co_await dialogue_.ask(std::move(asked), dns::RecordType::txt);
  out.is_temporary = dns::is_temporary(answer.status);
  std::vector<std::string> records;
  for (const auto& data : answer.records) {
    std::string text = std::get<dns::Txt>(data).joined();
    if (is_record(text)) records.push_back(std::move(text));
  }
  if (records.size() == 1) out.record = parse_record(records.front());  // several are none
  // RFC 7489 §6.6.3 step 6: without p it is no policy, unless there is somebody to be told.
  if (out.record && !out.record->has_policy && out.record->aggregate_addresses.empty()) out.record.reset();
  out.is_spoilt = !records.empty() && !out.record;
  known_.emplace(std::move(name), out);
  co_return out;
}

void Evaluation::State::apply() {
  const bool is_spared = verdict_.record->is_test || input_.sample >= verdict_.record->percent;
  verdict_.demand = is_spared ? milder(verdict_.policy) : verdict_.policy;
  if (verdict_.outcome == Outcome::fail) verdict_.disposition = verdict_.demand;
}

}  // namespace keystonemail::mailauth::dmarc
