// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/authentication/checks.hpp"

#include <algorithm>
#include <optional>

#include "keystonemail/base/text.hpp"
#include "keystonemail/mailauth/arc/verifier.hpp"
#include "keystonemail/mailauth/authentication_results.hpp"
#include "keystonemail/mailauth/dkim/method_results.hpp"
#include "keystonemail/mailauth/dmarc/author.hpp"
#include "keystonemail/mailauth/dmarc/method_result.hpp"
#include "keystonemail/mailauth/iprev/method_result.hpp"
#include "keystonemail/mailauth/spf/method_result.hpp"
#include "keystonemail/mime/header.hpp"
#include "service/authentication/fields.hpp"
#include "service/authentication/questions.hpp"

namespace keystonemail::authentication {
namespace {

// The Authentication-Results fields to take out, by their place among those of that name.
std::vector<policy::Edit> removals(std::string_view header, std::string_view authserv_id) {
  std::vector<policy::Edit> edits;
  const auto forged = mailauth::forged_authentication_results(header, authserv_id);
  if (forged.empty()) return edits;
  std::uint32_t occurrence = 0;
  mime::HeaderReader reader(header);
  while (const auto field = reader.next()) {
    if (!iequals(field->name, "Authentication-Results")) continue;
    ++occurrence;
    const auto offset = static_cast<std::size_t>(field->raw.data() - header.data());
    if (std::ranges::find(forged, offset, &mailauth::FieldSpan::offset) == forged.end()) continue;
    edits.emplace_back(policy::RemoveHeader{std::string(field->name), occurrence});
  }
  return edits;
}

// Everything of one message.
struct Message {
  Message(resolver::Resolver& resolver, const CheckOptions& options, const Executor& clock)
      : budget(resolver, clock, options.budget), dkim(options.dkim, clock.wall_now()), arc(options.dkim, clock.wall_now()) {}

  void found(mailauth::MethodResult result) { results.results.push_back(std::move(result)); }
  void tag(std::string name, std::string_view value) { tags.emplace_back(policy::Tag{std::move(name), std::string(value)}); }

  resolver::Budget budget;
  mailauth::dkim::Verifier dkim;
  mailauth::arc::Verifier arc;
  mailauth::dmarc::Input dmarc;
  mailauth::spf::Verdict spf;       // what DMARC builds on
  std::optional<mailauth::dmarc::AuthorFault> author_fault;  // why there is none to ask about
  mailauth::AuthenticationResults results;
  std::vector<policy::Edit> tags;
};

// The domains that vouch for the message by DKIM, or might have.
void add_signers(mailauth::dmarc::Input& input, const std::vector<mailauth::dkim::SignatureResult>& signatures) {
  using mailauth::dmarc::Standing;
  for (const auto& signature : signatures) {
    const bool unknown = signature.outcome == mailauth::dkim::Outcome::temperror;
    if (!unknown && (!signature.usable() || signature.testing)) continue;
    input.identifiers.push_back({mailauth::dmarc::Method::dkim, unknown ? Standing::temporary : Standing::pass, signature.domain});
  }
}

// Those who signed it well, with blanks between.
std::string signing_domains(const std::vector<mailauth::dkim::SignatureResult>& signatures) {
  std::string out;
  for (const auto& signature : signatures) {
    if (signature.usable() && !signature.testing) out.append(out.empty() ? "" : " ").append(signature.domain);
  }
  return out;
}

// RFC 8460 §3: whose signatures count for a TLS report.
std::string report_domains(const std::vector<mailauth::dkim::SignatureResult>& signatures) {
  std::string out;
  for (const auto& signature : signatures) {
    if (signature.is_for_tls_reports && !signature.testing) out.append(out.empty() ? "" : " ").append(signature.domain);
  }
  return out;
}

// Whether a forwarder we trust saw it pass, by the author that it names now: a seal need not sign From.
bool vouched_for(const mailauth::arc::Chain& chain, const std::vector<std::string>& trusted_sealers, const dns::Name& author) {
  const auto* set = mailauth::arc::oldest_trusted_set(chain, trusted_sealers);
  return set && std::ranges::any_of(set->results.results, [&](const mailauth::MethodResult& one) {
           if (one.method != "dmarc" || one.result != "pass") return false;
           const std::string_view from = one.property("header", "from");
           return from.empty() || dns::Name::from_domain(from.substr(from.rfind('@') + 1)) == author;
         });
}

class CheckInspector final : public policy::Inspector {
 public:
  CheckInspector(resolver::Resolver& resolver, Random& random, const CheckOptions& options, const policy::Connection& connection, bool is_exempt)
      : resolver_(resolver), random_(random), options_(options), connection_(connection), is_exempt_(is_exempt) {}

  Task<Result<policy::Decision>> judge(policy::Stage stage, const policy::Facts& facts, Context context) override {
    if (stage == policy::Stage::mail) begin(facts, *context.executor);
    if (stage == policy::Stage::headers) co_return co_await on_header(facts, std::move(context));
    if (stage == policy::Stage::body && message_) co_return co_await on_end(facts, std::move(context));
    co_return policy::Decision::proceed();
  }
  Task<Result<void>> receive(std::string_view octets, Context) override {
    if (!message_) co_return Result<void>();
    if (message_->dkim.wants_input()) message_->dkim.receive(octets);
    if (message_->arc.wants_input()) message_->arc.receive(octets);
    co_return Result<void>();
  }
  void reset() noexcept override { message_.reset(); }

 private:
  void begin(const policy::Facts& facts, const Executor& executor) {
    message_.reset();
    if (is_exempt_ || !facts.login.empty()) return;
    message_ = std::make_unique<Message>(resolver_, options_, executor);
    message_->results.authserv_id = connection_.hostname;
  }

  // Keys are asked for while the body is still coming.
  Task<Result<policy::Decision>> on_header(const policy::Facts& facts, Context context) {
    policy::Decision decision;
    if (is_exempt_ && facts.login.empty()) co_return decision;  // what it brings may be what we wrote before
    decision.edits = removals(facts.header, connection_.hostname);
    if (!message_) co_return decision;
    if (auto author = mailauth::dmarc::find_author(facts.header)) {
      message_->dmarc.author = author->domain;
    } else if (options_.dmarc_use == DmarcUse::enforce) {
      co_return policy::Decision::reject("The From field does not name one author", "5.7.1", std::string(to_string(author.error())));
    } else {
      message_->author_fault = author.error();
    }
    KM_CO_CHECK(co_await check_address(context));
    KM_CO_CHECK(co_await check_spf(facts, context));
    KM_CO_CHECK(co_await answer_questions(message_->budget, message_->dkim, context));
    KM_CO_CHECK(co_await answer_questions(message_->budget, message_->arc, context));
    co_return decision;
  }

  Task<Result<policy::Decision>> on_end(const policy::Facts& facts, Context context) {
    message_->dkim.receive_end();
    message_->arc.receive_end();
    KM_CO_CHECK(co_await answer_questions(message_->budget, message_->dkim, context));
    KM_CO_CHECK(co_await answer_questions(message_->budget, message_->arc, context));
    const auto& signatures = message_->dkim.results();
    for (auto& result : mailauth::dkim::method_results(signatures)) message_->found(std::move(result));
    const bool signed_well = std::ranges::any_of(signatures, &mailauth::dkim::SignatureResult::usable);
    message_->tag("dkim", signed_well ? "pass" : signatures.empty() ? "none" : "fail");
    message_->tag("dkim-domains", signing_domains(signatures));
    message_->tag("tlsrpt-domains", report_domains(signatures));
    const auto& chain = message_->arc.chain();
    message_->found(mailauth::arc::method_result(chain));
    message_->tag("arc", to_string(chain.status));

    KM_CO_TRY(policy::Decision decision, co_await check_dmarc(facts, context));
    decision.edits = additions(mailauth::format_authentication_results(message_->results));
    std::ranges::move(message_->tags, std::back_inserter(decision.edits));
    message_.reset();
    co_return decision;
  }

  Task<Result<void>> check_address(const Context& context) {
    mailauth::iprev::Evaluation evaluation(connection_.peer.address, options_.iprev, context.executor->now());
    KM_CO_CHECK(co_await evaluate(message_->budget, evaluation, context));
    message_->found(mailauth::iprev::method_result(evaluation.verdict()));
    message_->tag("iprev", to_string(evaluation.verdict().outcome));
    co_return Result<void>();
  }

  // RFC 7208 §2.3, §2.4: what the peer calls itself, and whom the message says it is from.
  Task<Result<void>> check_spf(const policy::Facts& facts, const Context& context) {
    mailauth::spf::Input input{.identity = mailauth::spf::Identity::helo,
                               .client = connection_.peer.address,
                               .helo = std::string(facts.hello),
                               .mail_from = std::string(facts.sender),
                               .receiver = connection_.hostname,
                               .now = facts.time};
    const Instant now = context.executor->now();
    mailauth::spf::Evaluation of_helo(input, options_.spf, now);
    KM_CO_CHECK(co_await evaluate(message_->budget, of_helo, context));
    if (facts.sender.empty()) {
      note_spf(of_helo.verdict());
      co_return Result<void>();
    }
    input.identity = mailauth::spf::Identity::mail_from;
    mailauth::spf::Evaluation of_sender(std::move(input), options_.spf, now);
    KM_CO_CHECK(co_await evaluate(message_->budget, of_sender, context));
    note_spf(of_sender.verdict());
    // Of HELO too, if the owner of that name says anything.
    if (of_helo.verdict().outcome != mailauth::spf::Outcome::none) message_->found(mailauth::spf::method_result(of_helo.verdict()));
    co_return Result<void>();
  }

  // For DMARC: SPF of MAIL FROM, or of HELO where there is none (RFC 7489 §4.1).
  void note_spf(const mailauth::spf::Verdict& verdict) {
    using mailauth::dmarc::Standing;
    message_->found(mailauth::spf::method_result(verdict));
    message_->tag("spf", to_string(verdict.outcome));
    message_->spf = verdict;
    const bool unknown = verdict.outcome == mailauth::spf::Outcome::temperror;
    if (!unknown && verdict.outcome != mailauth::spf::Outcome::pass) return;
    message_->dmarc.identifiers.push_back({mailauth::dmarc::Method::spf, unknown ? Standing::temporary : Standing::pass, verdict.domain});
  }

  Task<Result<policy::Decision>> check_dmarc(const policy::Facts& facts, const Context& context) {
    if (message_->author_fault) {
      message_->found(mailauth::dmarc::method_result(*message_->author_fault));
      co_return policy::Decision::proceed();
    }
    add_signers(message_->dmarc, message_->dkim.results());
    message_->dmarc.sample = static_cast<unsigned>(random_.below(100));
    mailauth::dmarc::Evaluation evaluation(std::move(message_->dmarc), options_.dmarc, context.executor->now());
    KM_CO_CHECK(co_await evaluate(message_->budget, evaluation, context));
    const auto& verdict = evaluation.verdict();
    message_->found(mailauth::dmarc::method_result(verdict));
    message_->tag("dmarc", to_string(verdict.outcome));
    policy::Decision decision = decide(verdict);
    tell_observer(facts, verdict, decision);
    co_return decision;
  }

  // What has to come again is told of when it has.
  void tell_observer(const policy::Facts& facts, const mailauth::dmarc::Verdict& verdict, const policy::Decision& decision) const {
    using mailauth::dmarc::Policy;
    if (options_.observer == nullptr || !verdict.record || decision.verdict == policy::Verdict::defer) return;
    DmarcFinding finding{connection_, facts, verdict, message_->spf, message_->dkim.results()};
    finding.discovery = options_.dmarc.discovery;
    if (decision.verdict == policy::Verdict::quarantine) finding.applied = Policy::quarantine;
    if (decision.verdict == policy::Verdict::reject) finding.applied = Policy::reject;
    if (verdict.outcome == mailauth::dmarc::Outcome::fail && finding.applied != verdict.policy) finding.override = override_of(verdict, finding.applied);
    options_.observer->observed(finding);
  }
  [[nodiscard]] DmarcOverride override_of(const mailauth::dmarc::Verdict& verdict, mailauth::dmarc::Policy applied) const {
    if (applied == verdict.disposition) return verdict.record->is_test ? DmarcOverride::test_mode : DmarcOverride::sampled_out;
    return options_.dmarc_use == DmarcUse::observe ? DmarcOverride::local_policy : DmarcOverride::trusted_forwarder;
  }

  policy::Decision decide(const mailauth::dmarc::Verdict& verdict) const {
    using mailauth::dmarc::Outcome;
    if (options_.dmarc_use == DmarcUse::observe || vouched_for(message_->arc.chain(), options_.trusted_sealers, verdict.author)) return policy::Decision::proceed();
    const std::string& domain = verdict.author.text();
    const bool asks_for_nothing = verdict.record && verdict.demand == mailauth::dmarc::Policy::none;  // whatever the answer
    if (verdict.outcome == Outcome::temperror && !asks_for_nothing) {
      return policy::Decision::defer("The policy of " + domain + " cannot be looked up now, try again later", "4.7.0", verdict.problem);
    }
    switch (verdict.disposition) {
      case mailauth::dmarc::Policy::none: break;
      case mailauth::dmarc::Policy::quarantine: return policy::Decision::quarantine("DMARC policy of " + domain);
      case mailauth::dmarc::Policy::reject:  // RFC 7372 §3.3
        return policy::Decision::reject("Nobody vouches for this message as the DMARC policy of " + domain + " demands", "5.7.26");
    }
    return policy::Decision::proceed();
  }

  resolver::Resolver& resolver_;
  Random& random_;
  const CheckOptions& options_;
  const policy::Connection& connection_;
  const bool is_exempt_;
  std::unique_ptr<Message> message_;
};

}  // namespace

std::unique_ptr<policy::Inspector> Checks::inspect(const policy::Connection& connection) {
  const auto covers = [&](const IpNetwork& network) { return network.contains(connection.peer.address); };
  if (connection.service == "lmtp") return nullptr;
  return std::make_unique<CheckInspector>(resolver_, random_, options_, connection, std::ranges::any_of(options_.exempt, covers));
}

}  // namespace keystonemail::authentication
