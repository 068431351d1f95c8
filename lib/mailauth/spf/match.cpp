// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The mechanisms of RFC 7208 §5.
#include <algorithm>
#include <span>
#include <utility>

#include "base/format.hpp"
#include "mailauth/spf/state.hpp"

namespace keystonemail::mailauth::spf {
namespace {

// Whether the first `bits` bits are the same.
bool same_prefix(std::span<const std::uint8_t> a, std::span<const std::uint8_t> b, unsigned bits) {
  const std::size_t octets = bits / 8;
  if (!std::equal(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(octets), b.begin())) return false;
  const unsigned rest = bits % 8;
  if (rest == 0) return true;
  const unsigned mask = 0xff00U >> rest & 0xffU;
  return (a[octets] & mask) == (b[octets] & mask);
}

const IpAddress* address_in(const dns::RecordData& data) {
  if (const auto* four = std::get_if<dns::A>(&data)) return &four->address;
  if (const auto* six = std::get_if<dns::Aaaa>(&data)) return &six->address;
  return nullptr;
}

}  // namespace

// §5: A records for a client on IPv4, AAAA for one on IPv6. A mapped address is IPv4 (base/ip_address.hpp).
dns::RecordType Evaluation::State::address_type() const noexcept {
  return input_.client.family() == IpAddress::Family::v4 ? dns::RecordType::a : dns::RecordType::aaaa;
}

bool Evaluation::State::holds_client(const dns::Answer& answer, const Directive& directive) const {
  const bool is_four = input_.client.family() == IpAddress::Family::v4;
  return std::ranges::any_of(answer.records, [&](const auto& data) {
    const auto* address = address_in(data);
    return address != nullptr && address->family() == input_.client.family() &&
           same_prefix(address->octets(), input_.client.octets(), is_four ? directive.prefix4 : directive.prefix6);
  });
}

// §5.6
bool Evaluation::State::match_network(const Directive& directive) const {
  if (directive.network.family != input_.client.family()) return false;
  const bool is_four = directive.network.family == IpAddress::Family::v4;
  return same_prefix(directive.network.octets, input_.client.octets(), is_four ? directive.prefix4 : directive.prefix6);
}

Task<Evaluation::State::Match> Evaluation::State::match(const Frame& frame, const Directive& directive) {
  switch (directive.mechanism) {
    case Mechanism::all: co_return Match::yes;
    case Mechanism::ip4:
    case Mechanism::ip6: co_return match_network(directive) ? Match::yes : Match::no;
    case Mechanism::include:
    case Mechanism::a:
    case Mechanism::mx:
    case Mechanism::ptr:
    case Mechanism::exists: break;
  }
  if (!take_lookup()) co_return trouble(Match::permerror, "too many DNS lookups");
  Match found = Match::no;
  if (directive.mechanism == Mechanism::include) {
    found = co_await match_include(frame, directive);
  } else {
    auto target = co_await target_of(frame, directive);
    if (!target) co_return Match::no;  // §4.8 leaves it open: what is no name matches nothing
    dns::Name name = *std::move(target);
    if (directive.mechanism == Mechanism::a) found = co_await match_host(std::move(name), directive);
    else if (directive.mechanism == Mechanism::mx) found = co_await match_mx(std::move(name), directive);
    else if (directive.mechanism == Mechanism::ptr) found = co_await match_ptr(std::move(name));
    else found = co_await match_exists(std::move(name));
  }
  if (found != Match::temperror && has_too_many_voids()) {
    co_return trouble(Match::permerror, "too many DNS lookups without an answer");
  }
  co_return found;
}

// §4.8
Task<std::optional<dns::Name>> Evaluation::State::target_of(const Frame& frame, const Directive& directive) {
  if (!directive.target) co_return frame.domain;
  const auto expansion = co_await expand_in(frame.domain, *directive.target);
  if (!expansion) co_return std::nullopt;
  co_return to_target_name(*expansion);
}

// §5.2, with its table
Task<Evaluation::State::Match> Evaluation::State::match_include(const Frame& frame, const Directive& directive) {
  const auto target = co_await target_of(frame, directive);
  if (!target || target->label_count() < 2) co_return trouble(Match::permerror, "include leads to no domain name");
  Frame inner{.domain = *target, .depth = frame.depth + 1, .is_included = true};
  switch (co_await check_host(std::move(inner))) {
    case Outcome::pass: co_return Match::yes;
    case Outcome::fail:
    case Outcome::softfail:
    case Outcome::neutral: co_return Match::no;
    case Outcome::temperror: co_return Match::temperror;
    case Outcome::permerror:
    case Outcome::none: break;
  }
  co_return Match::permerror;
}

// §5.3
Task<Evaluation::State::Match> Evaluation::State::match_host(dns::Name target, const Directive& directive) {
  const dns::Answer answer = co_await ask(target, address_type(), Purpose::term);
  if (dns::is_temporary(answer.status)) {
    co_return trouble(Match::temperror, format("{}: {}", target.text(), to_string(answer.status)));
  }
  co_return holds_client(answer, directive) ? Match::yes : Match::no;
}

// §5.4: without MX records nothing matches; the implicit one of RFC 5321 is not for here.
Task<Evaluation::State::Match> Evaluation::State::match_mx(dns::Name target, const Directive& directive) {
  const dns::Answer answer = co_await ask(target, dns::RecordType::mx, Purpose::term);
  if (dns::is_temporary(answer.status)) {
    co_return trouble(Match::temperror, format("{}: {}", target.text(), to_string(answer.status)));
  }
  if (answer.records.size() > limits::mail_exchangers_max) {
    co_return trouble(Match::permerror, format("{} has more than {} MX records", target.text(), limits::mail_exchangers_max));
  }
  for (const auto& data : answer.records) {
    const auto& exchange = std::get<dns::Mx>(data).exchange;
    if (exchange.is_root()) continue;  // RFC 7505: takes no mail
    const Match found = co_await match_host(exchange, directive);
    if (found != Match::no) co_return found;
    if (has_too_many_voids()) break;
  }
  co_return Match::no;
}

// §5.7: A records, whatever the client's family.
Task<Evaluation::State::Match> Evaluation::State::match_exists(dns::Name target) {
  const dns::Answer answer = co_await ask(target, dns::RecordType::a, Purpose::term);
  if (dns::is_temporary(answer.status)) {
    co_return trouble(Match::temperror, format("{}: {}", target.text(), to_string(answer.status)));
  }
  co_return answer.status == dns::AnswerStatus::found ? Match::yes : Match::no;
}

// §5.5: a validated name that is the target, or below it.
Task<Evaluation::State::Match> Evaluation::State::match_ptr(dns::Name target) {
  co_await find_validated_names();
  const bool found = std::ranges::any_of(*validated_names_, [&](const auto& name) { return name.is_within(target); });
  co_return found ? Match::yes : Match::no;
}

// §5.5: the client's names that lead back to it, found once for an evaluation. Errors leave names out.
Task<void> Evaluation::State::find_validated_names() {
  if (validated_names_) {
    verdict_.void_lookups += pointers_are_void_ ? 1 : 0;  // §4.6.4 counts terms, not questions
    co_return;
  }
  validated_names_.emplace();
  dns::Name reversed = dns::reverse_name(input_.client);
  const dns::Answer pointers = co_await ask(std::move(reversed), dns::RecordType::ptr, Purpose::term);
  pointers_are_void_ = pointers.records.empty() && !dns::is_temporary(pointers.status);
  const std::size_t count = std::min(pointers.records.size(), limits::pointers_max);
  const Directive exact;  // all bits of the address
  for (std::size_t i = 0; i < count; ++i) {
    const dns::Name name = std::get<dns::Ptr>(pointers.records[i]).target;
    const dns::Answer answer = co_await ask(name, address_type(), Purpose::other);
    if (holds_client(answer, exact)) validated_names_->push_back(name);
  }
}

}  // namespace keystonemail::mailauth::spf
