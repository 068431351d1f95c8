// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/policies/access_rules.hpp"

#include <algorithm>
#include <optional>

#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/idna.hpp"
#include "keystonemail/mime/address.hpp"

namespace keystonemail::policies {
namespace {

using policy::Decision;
using policy::Stage;

constexpr std::string_view null_sender = "<>";
constexpr std::size_t text_octets_max = 400;  // of a reply line (RFC 5321 §4.5.3.1.5)

std::string_view take_word(std::string_view& rest) {
  rest = trim(rest);
  const std::string_view word = rest.substr(0, rest.find(' '));
  rest = trim(rest.substr(word.size()));
  return word;
}

std::optional<AccessAction> parse_action(std::string_view word) noexcept {
  using enum AccessAction;
  for (const auto action : {allow, reject, defer, discard, quarantine, redirect})
    if (iequals(word, to_string(action))) return action;
  return std::nullopt;
}

bool is_status(std::string_view word, char first) noexcept {
  const auto is_part = [](char c) { return is_digit(c) || c == '.'; };
  return word.size() >= 5 && word[0] == first && word[1] == '.' && std::ranges::count(word, '.') == 2 && std::ranges::all_of(word, is_part);
}

// The form in which a domain is compared; literals and what is no domain as they are, in lower case.
std::string domain_form(std::string_view domain) {
  auto ascii = codec::to_ascii_domain(domain);
  return ascii ? *std::move(ascii) : to_lower(domain);
}

struct Halves {
  std::string local, domain;
};
std::optional<Halves> halves_of(std::string_view mailbox) {
  const auto at = mailbox.rfind('@');
  if (at == std::string_view::npos) return std::nullopt;
  if (const auto parsed = mime::Address::parse(mailbox)) return Halves{to_lower(parsed->local_part()), parsed->domain()};
  return Halves{to_lower(mailbox.substr(0, at)), domain_form(mailbox.substr(at + 1))};
}

// What a pattern is kept as; nothing when it is none.
std::optional<std::string> name_form(AccessScope scope, std::string_view pattern) {
  if (pattern.empty() || pattern.find_first_of(" \t\r\n") != std::string_view::npos) return std::nullopt;
  const bool is_mailbox = scope == AccessScope::sender || scope == AccessScope::recipient;
  if (scope == AccessScope::sender && pattern == null_sender) return std::string(pattern);
  if (is_mailbox && pattern.size() > 1 && pattern.find('@') == pattern.size() - 1) return to_lower(pattern);
  if (is_mailbox && pattern.contains('@')) {
    const auto address = mime::Address::parse(pattern);
    return address ? std::optional(to_lower(address->local_part()) + "@" + address->domain()) : std::nullopt;
  }
  if (pattern.starts_with('[') && pattern.ends_with(']')) return to_lower(pattern);
  const bool below = pattern.starts_with('.');
  const auto domain = codec::to_ascii_domain(pattern.substr(below ? 1 : 0));
  return domain && !domain->empty() ? std::optional((below ? "." : "") + *domain) : std::nullopt;
}

// What `rule` means for whom it fits. Redirection and allowance are done elsewhere.
Decision apply(const AccessRule& rule, std::string reason) {
  Decision decision;
  switch (rule.action) {
    case AccessAction::reject: return Decision::reject(rule.text.empty() ? "Refused by an access rule here" : rule.text, rule.status, std::move(reason));
    case AccessAction::defer: return Decision::defer(rule.text.empty() ? "Not now, try again later" : rule.text, rule.status, std::move(reason));
    case AccessAction::quarantine: return Decision::quarantine(std::move(reason));
    case AccessAction::discard:
      decision.verdict = policy::Verdict::discard;
      decision.reason = std::move(reason);
      break;
    case AccessAction::allow:
    case AccessAction::redirect: break;
  }
  return decision;
}

bool is_standing(AccessAction action) noexcept { return action == AccessAction::quarantine || action == AccessAction::discard; }

class AccessInspector final : public policy::Inspector {
 public:
  explicit AccessInspector(const AccessTable& table) : table_(table) {}

  Task<Result<Decision>> judge(Stage stage, const policy::Facts& facts, Context) override {
    switch (stage) {
      case Stage::connect: co_return on_connect(facts);
      case Stage::helo: co_return on_helo(facts);
      case Stage::mail: co_return on_mail(facts);
      case Stage::rcpt: co_return on_rcpt(facts);
      default: co_return Decision::proceed();
    }
  }
  void reset() noexcept override { sender_ = nullptr; }

 private:
  Decision on_connect(const policy::Facts& facts) {
    client_ = table_.find(facts.connection.peer.address);
    if (!client_ || is_standing(client_->action)) return Decision::proceed();  // a verdict on a message waits for one
    Decision decision = apply(*client_, "client " + facts.connection.peer.address.to_string());
    if (decision.verdict == policy::Verdict::reject) decision.refusal.code = 554;  // RFC 5321 §3.1
    if (decision.verdict == policy::Verdict::defer) decision.verdict = policy::Verdict::disconnect;
    return decision;
  }

  Decision on_helo(const policy::Facts& facts) {
    helo_ = table_.find(AccessScope::helo, facts.hello);
    if (!helo_ || is_standing(helo_->action)) return Decision::proceed();
    return apply(*helo_, "HELO name " + std::string(facts.hello));
  }

  Decision on_mail(const policy::Facts& facts) {
    sender_ = table_.find(AccessScope::sender, facts.sender.empty() ? null_sender : facts.sender);
    Decision decision = sender_ ? apply(*sender_, "sender <" + std::string(facts.sender) + ">") : Decision::proceed();
    for (const AccessRule* earlier : {client_, helo_}) {
      if (decision.verdict == policy::Verdict::proceed && earlier && is_standing(earlier->action))
        decision = apply(*earlier, earlier == client_ ? "client of the connection" : "HELO name " + std::string(facts.hello));
    }
    return std::move(decision).with(tag(is_allowed()));
  }

  Decision on_rcpt(const policy::Facts& facts) {
    const std::string& address = facts.recipients.back().address;
    const AccessRule* rule = table_.find(AccessScope::recipient, address);
    const bool is_discarded = rule && rule->action == AccessAction::discard;
    Decision decision = rule && !is_discarded ? apply(*rule, "recipient <" + address + ">") : Decision::proceed();
    if (is_discarded) {  // this copy alone: the message is other people's as well
      decision.reason = "recipient <" + address + "> is discarded";
      decision.edits.emplace_back(policy::RemoveRecipient{address});
      return std::move(decision).with(tag(is_allowed()));
    }
    for (const AccessRule* redirecting : {rule, sender_, helo_, client_}) {
      if (!redirecting || redirecting->action != AccessAction::redirect) continue;
      decision.edits.emplace_back(policy::RemoveRecipient{address});
      decision.edits.emplace_back(policy::AddRecipient{redirecting->target});
      break;
    }
    return std::move(decision).with(tag(is_allowed() || allows(rule)));
  }

  static bool allows(const AccessRule* rule) noexcept { return rule && rule->action == AccessAction::allow; }
  [[nodiscard]] bool is_allowed() const noexcept { return allows(client_) || allows(helo_) || allows(sender_); }
  static policy::Tag tag(bool allowed) {
    return {std::string(AccessRules::tag_name), allowed ? std::string(AccessRules::tag_allowed) : std::string("none")};
  }

  const AccessTable& table_;
  const AccessRule* client_ = nullptr;  // these three are in the table
  const AccessRule* helo_ = nullptr;
  const AccessRule* sender_ = nullptr;
};

}  // namespace

std::string_view to_string(AccessAction action) noexcept {
  switch (action) {
    case AccessAction::allow: return "allow";
    case AccessAction::reject: return "reject";
    case AccessAction::defer: return "defer";
    case AccessAction::discard: return "discard";
    case AccessAction::quarantine: return "quarantine";
    case AccessAction::redirect: return "redirect";
  }
  return "unknown";
}

Result<AccessRule> AccessRule::parse(std::string_view words) {
  const auto action = parse_action(take_word(words));
  if (!action) return fail(ErrorKind::invalid, "must begin with allow, reject, defer, discard, quarantine or redirect");
  AccessRule rule{.action = *action, .status = {}, .text = {}, .target = {}};
  if (*action == AccessAction::redirect) {
    const auto target = mime::Address::parse(words);
    if (!target) return fail(ErrorKind::invalid, "redirect needs one address, as in \"redirect other@example.org\"");
    rule.target = target->to_string();
    return rule;
  }
  const bool refuses = *action == AccessAction::reject || *action == AccessAction::defer;
  if (!refuses && !words.empty()) return fail(ErrorKind::invalid, std::string(to_string(*action)) + " takes no more words");
  if (is_status(words.substr(0, words.find(' ')), *action == AccessAction::reject ? '5' : '4')) rule.status = take_word(words);
  const auto is_odd = [](char c) { return static_cast<unsigned char>(c) < ' ' || static_cast<unsigned char>(c) >= 0x7f; };
  if (words.size() > text_octets_max || std::ranges::any_of(words, is_odd)) return fail(ErrorKind::invalid, "its text must be one line of ASCII");
  rule.text = words;
  return rule;
}

Result<void> AccessTable::add(AccessScope scope, std::string_view pattern, AccessRule rule) {
  if (scope == AccessScope::client) {
    const auto network = IpNetwork::parse(pattern);
    if (!network) return fail(ErrorKind::invalid, "\"" + std::string(pattern) + "\" is neither an IP address nor a network");
    const auto place = std::ranges::find_if(networks_, [&](const auto& other) { return other.first.prefix_bits < network->prefix_bits; });
    networks_.insert(place, {*network, std::move(rule)});
    return {};
  }
  auto name = name_form(scope, pattern);
  if (!name) return fail(ErrorKind::invalid, "\"" + std::string(pattern) + "\" is neither an address nor a domain");
  if (!names_.emplace(std::pair(scope, *std::move(name)), std::move(rule)).second)
    return fail(ErrorKind::conflict, "\"" + std::string(pattern) + "\" is there twice");
  return {};
}

const AccessRule* AccessTable::find(const IpAddress& client) const noexcept {
  for (const auto& [network, rule] : networks_)
    if (network.contains(client)) return &rule;
  return nullptr;
}

const AccessRule* AccessTable::find(AccessScope scope, std::string_view what) const {
  if (scope == AccessScope::client) {
    const auto address = IpAddress::parse(what);
    return address ? find(*address) : nullptr;
  }
  if (what == null_sender) return find_name(scope, what);
  if (scope == AccessScope::helo) return find_domain(scope, domain_form(what));
  const auto halves = halves_of(what);
  if (!halves) return find_name(scope, to_lower(what));
  const auto& [local, domain] = *halves;
  if (const AccessRule* rule = find_name(scope, local + "@" + domain)) return rule;
  const std::string plain = local.substr(0, local.find('+'));
  if (const AccessRule* rule = find_name(scope, plain + "@" + domain)) return rule;
  if (const AccessRule* rule = find_name(scope, local + "@")) return rule;
  if (const AccessRule* rule = find_name(scope, plain + "@")) return rule;
  return find_domain(scope, domain);
}

const AccessRule* AccessTable::find_name(AccessScope scope, std::string_view name) const {
  const auto found = names_.find(std::pair(scope, std::string(name)));
  return found == names_.end() ? nullptr : &found->second;
}

const AccessRule* AccessTable::find_domain(AccessScope scope, std::string_view domain) const {
  if (const AccessRule* rule = find_name(scope, domain)) return rule;
  for (std::size_t dot = domain.find('.'); dot != std::string_view::npos; dot = domain.find('.', dot + 1))
    if (const AccessRule* rule = find_name(scope, domain.substr(dot))) return rule;
  return nullptr;
}

std::unique_ptr<policy::Inspector> AccessRules::inspect(const policy::Connection& connection) {
  if (connection.service == "lmtp" || table_.empty()) return nullptr;
  return std::make_unique<AccessInspector>(table_);
}

}  // namespace keystonemail::policies
