// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <doctest/doctest.h>

#include <functional>
#include <stdexcept>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/policy/chain.hpp"

using namespace keystonemail;
using namespace keystonemail::policy;

namespace {

// A rule from a function; counts how often it is asked.
class Scripted final : public Rule {
 public:
  using Answer = std::function<Result<Decision>(Stage, const Facts&)>;
  Scripted(std::string name, Answer answer) : name_(std::move(name)), answer_(std::move(answer)) {}
  std::string_view name() const noexcept override { return name_; }
  Task<Result<Decision>> judge(Stage stage, const Facts& facts, Context) override {
    ++asked;
    co_return answer_(stage, facts);
  }
  int asked = 0;

 private:
  std::string name_;
  Answer answer_;
};

std::shared_ptr<Scripted> says(Decision decision, std::string name = "scripted") {
  return std::make_shared<Scripted>(std::move(name), [decision](Stage, const Facts&) { return decision; });
}
Decision of(Verdict verdict) {
  Decision decision;
  decision.verdict = verdict;
  return decision;
}

struct Fixture {
  RunLoop loop;
  NullLog log;
  Screening screening;

  explicit Fixture(std::vector<std::shared_ptr<Policy>> policies)
      : screening(Chain(std::move(policies)).open({.session = "s1", .service = "smtp"}, log)) {}
  Outcome judge(Stage stage) { return loop.run_until(screening.judge(stage, screening.facts(), {&loop})); }
};

}  // namespace

TEST_CASE("policy chain: without policies everything proceeds") {
  Fixture fixture({});
  CHECK(fixture.screening.empty());
  CHECK(fixture.judge(Stage::connect).verdict == Verdict::proceed);
}

TEST_CASE("policy chain: the first refusal ends it and says who refused") {
  const auto last = says(Decision::proceed());
  Fixture fixture({says(Decision::proceed()), says(Decision::reject("Not you", "5.7.26"), "second"), last});
  const Outcome outcome = fixture.judge(Stage::mail);
  CHECK(outcome.verdict == Verdict::reject);
  CHECK(outcome.refusal.code == 550);
  CHECK(outcome.refusal.status == "5.7.26");
  CHECK(outcome.refusal.text == "Not you");
  CHECK(outcome.policy == "second");
  CHECK(last->asked == 0);
}

TEST_CASE("policy chain: a code or status of another class than the verdict is replaced") {
  Decision lying = Decision::defer("Later", "5.1.1");
  lying.refusal.code = 250;
  const Outcome deferred = Fixture({says(lying)}).judge(Stage::rcpt);
  CHECK(deferred.refusal.code == 451);
  CHECK(deferred.refusal.status == "4.7.1");
  const Outcome closed = Fixture({says(of(Verdict::disconnect))}).judge(Stage::connect);
  CHECK(closed.refusal.code == 421);
  Decision odd = Decision::reject("No", "5.x.y");
  odd.refusal.code = 554;
  const Outcome rejected = Fixture({says(odd)}).judge(Stage::body);
  CHECK(rejected.refusal.code == 554);
  CHECK(rejected.refusal.status == "5.7.1");
}

TEST_CASE("policy chain: a policy that fails or throws defers, and never accepts") {
  for (const auto& answer : {Scripted::Answer([](Stage, const Facts&) -> Result<Decision> { return fail(ErrorKind::unavailable); }),
                             Scripted::Answer([](Stage, const Facts&) -> Result<Decision> { throw std::runtime_error("x"); }),
                             Scripted::Answer([](Stage, const Facts&) -> Result<Decision> { throw 1; })}) {
    const Outcome outcome = Fixture({std::make_shared<Scripted>("broken", answer)}).judge(Stage::body);
    CHECK(outcome.verdict == Verdict::defer);
    CHECK(outcome.refusal.code == 451);
    CHECK(outcome.refusal.text.find("unavailable") == std::string::npos);
  }
}

TEST_CASE("policy chain: one that accepted is not asked again, until the next transaction") {
  const auto satisfied = says(of(Verdict::accept));
  const auto other = says(Decision::proceed());
  Fixture fixture({satisfied, other});
  CHECK(fixture.judge(Stage::mail).verdict == Verdict::proceed);
  CHECK(fixture.judge(Stage::rcpt).verdict == Verdict::proceed);
  CHECK(satisfied->asked == 1);
  CHECK(other->asked == 2);
  fixture.screening.reset();
  (void)fixture.judge(Stage::mail);
  CHECK(satisfied->asked == 2);
}

TEST_CASE("policy chain: one that accepted the connection is not asked again at all") {
  const auto satisfied = says(of(Verdict::accept));
  Fixture fixture({satisfied});
  (void)fixture.judge(Stage::connect);
  fixture.screening.reset();
  (void)fixture.judge(Stage::mail);
  CHECK(satisfied->asked == 1);
}

TEST_CASE("policy chain: quarantine stands for the rest of the transaction, and discard is stronger") {
  bool quarantined = false;
  const auto once = std::make_shared<Scripted>("once", [&](Stage stage, const Facts&) -> Result<Decision> {
    if (stage == Stage::body) return of(Verdict::discard);
    if (quarantined) return Decision::proceed();
    quarantined = true;
    return Decision::quarantine("looks odd");
  });
  Fixture fixture({once});
  CHECK(fixture.judge(Stage::mail).verdict == Verdict::quarantine);
  CHECK(fixture.judge(Stage::rcpt).verdict == Verdict::quarantine);
  CHECK(fixture.judge(Stage::rcpt).policy == "once");
  CHECK(fixture.judge(Stage::body).verdict == Verdict::discard);
  CHECK(fixture.judge(Stage::deliver).verdict == Verdict::discard);
  fixture.screening.reset();
  CHECK(fixture.judge(Stage::mail).verdict == Verdict::proceed);
}

TEST_CASE("policy chain: what was said before MAIL is said of each transaction, of HELO until the next") {
  Verdict of_helo = Verdict::quarantine;
  bool logged_in = true;
  const auto early = std::make_shared<Scripted>("early", [&](Stage stage, const Facts&) -> Result<Decision> {
    if (stage == Stage::connect) return Decision::proceed().with(AddHeader{"X-Connect", "1"});
    if (stage == Stage::helo) return of(of_helo).with(AddHeader{"X-Helo", "1"});
    if (stage == Stage::auth) return of(Verdict::discard).with(AddHeader{"X-Auth", "1"});
    return Decision::proceed();
  });
  Fixture fixture({early});
  const auto judge = [&](Stage stage) {
    Facts facts = fixture.screening.facts();
    if (logged_in) facts.login = "alice";
    return fixture.loop.run_until(fixture.screening.judge(stage, facts, {&fixture.loop}));
  };
  for (const Stage stage : {Stage::connect, Stage::helo, Stage::helo, Stage::auth}) CHECK(judge(stage).edits.empty());
  for (int message = 0; message < 2; ++message) {
    const Outcome outcome = judge(Stage::mail);
    CHECK(outcome.verdict == Verdict::discard);
    CHECK(outcome.edits.size() == 3);
    CHECK(judge(Stage::rcpt).edits.empty());
    fixture.screening.reset();
  }
  logged_in = false;
  CHECK(judge(Stage::mail).verdict == Verdict::quarantine);
  fixture.screening.reset();
  of_helo = Verdict::proceed;
  (void)judge(Stage::helo);
  CHECK(judge(Stage::mail).verdict == Verdict::proceed);
  CHECK(judge(Stage::mail).edits.size() == 2);
}

TEST_CASE("policy chain: what was said of a recipient does not stand when another policy refuses that one") {
  bool is_refused = true;
  const auto first = std::make_shared<Scripted>("first", [&](Stage stage, const Facts&) -> Result<Decision> {
    return stage == Stage::rcpt && is_refused ? Decision::quarantine("this one") : Decision::proceed();
  });
  const auto second = std::make_shared<Scripted>("second", [&](Stage stage, const Facts&) -> Result<Decision> {
    return stage == Stage::rcpt && is_refused ? Decision::defer("greylisted") : Decision::proceed();
  });
  Fixture fixture({first, second});
  CHECK(fixture.judge(Stage::rcpt).verdict == Verdict::defer);
  is_refused = false;
  CHECK(fixture.judge(Stage::rcpt).verdict == Verdict::proceed);
  CHECK(fixture.judge(Stage::deliver).verdict == Verdict::proceed);
}

TEST_CASE("policy chain: tags reach later policies and stages, edits the caller") {
  std::string seen;
  const auto reader = std::make_shared<Scripted>("reader", [&](Stage, const Facts& facts) {
    seen = facts.tag("spf");
    return Decision::proceed();
  });
  Fixture fixture({says(Decision::proceed().with(Tag{"spf", "pass"}).with(AddHeader{"X-Seen", "yes"})), reader});
  const Outcome outcome = fixture.judge(Stage::mail);
  CHECK(seen == "pass");
  REQUIRE(outcome.edits.size() == 1);
  CHECK(std::get<AddHeader>(outcome.edits[0]).value == "yes");
}

TEST_CASE("policy chain: tags of the connection outlive a transaction, those of the transaction do not") {
  std::string connection_tag, message_tag;
  const auto both = std::make_shared<Scripted>("both", [&](Stage stage, const Facts& facts) {
    connection_tag = facts.tag("iprev");
    message_tag = facts.tag("spf");
    if (stage == Stage::connect) return Decision::proceed().with(Tag{"iprev", "pass"});
    return Decision::proceed().with(Tag{"spf", "fail"});
  });
  Fixture fixture({both});
  (void)fixture.judge(Stage::connect);
  (void)fixture.judge(Stage::mail);
  fixture.screening.reset();
  (void)fixture.judge(Stage::mail);
  CHECK(connection_tag == "pass");
  CHECK(message_tag.empty());
}

TEST_CASE("policy chain: delays add up to a ceiling") {
  Decision slow;
  slow.delay = std::chrono::seconds(25);
  Fixture fixture({says(slow), says(slow)});
  CHECK(fixture.judge(Stage::helo).delay == std::chrono::seconds(30));
}

TEST_CASE("policy chain: one that fails on a piece of the message defers it at its end") {
  class Breaks final : public Policy {
   public:
    std::string_view name() const noexcept override { return "breaks"; }
    std::unique_ptr<Inspector> inspect(const Connection&) override {
      class Broken final : public Inspector {
        Task<Result<Decision>> judge(Stage, const Facts&, Context) override { co_return Decision::proceed(); }
        Task<Result<void>> receive(std::string_view, Context) override { co_return fail(ErrorKind::unavailable); }
      };
      return std::make_unique<Broken>();
    }
  };
  Fixture fixture({std::make_shared<Breaks>()});
  CHECK(fixture.judge(Stage::headers).verdict == Verdict::proceed);
  CHECK_FALSE(fixture.loop.run_until(fixture.screening.receive("octets", {&fixture.loop})));
  CHECK(fixture.judge(Stage::body).verdict == Verdict::defer);
  fixture.screening.reset();
  CHECK(fixture.judge(Stage::body).verdict == Verdict::proceed);
}

namespace {

struct Refused final : Rule {
  explicit Refused(Decision decision) : answer(std::move(decision)) {}
  std::string_view name() const noexcept override { return "refused"; }
  Task<Result<Decision>> judge(Stage, const Facts&, Context) override { co_return Decision::proceed(); }
  Task<Result<Decision>> refused(Stage, const Facts&, std::uint16_t, Context) override {
    if (answer.reason == "throw") throw std::runtime_error("odd");
    co_return answer;
  }
  Decision answer;
};

Outcome told(std::vector<Decision> answers) {
  std::vector<std::shared_ptr<Policy>> policies;
  for (auto& answer : answers) policies.push_back(std::make_shared<Refused>(std::move(answer)));
  Fixture fixture(std::move(policies));
  return fixture.loop.run_until(fixture.screening.refused(Stage::rcpt, fixture.screening.facts(), 550, {&fixture.loop}));
}

}  // namespace

TEST_CASE("policy chain: of a refusal all are told; delays add up, disconnect counts, all else does not") {
  using namespace std::chrono_literals;
  Decision slow, leave = of(Verdict::disconnect), odd;
  slow.delay = 2s;
  odd.reason = "throw";
  CHECK(told({slow, slow}).delay == 4s);
  CHECK(told({slow, leave, slow}).verdict == Verdict::disconnect);
  CHECK(told({slow, leave, slow}).delay == 4s);
  CHECK(told({leave}).refusal.code == 421);
  for (const Verdict verdict : {Verdict::reject, Verdict::quarantine, Verdict::discard, Verdict::accept}) CHECK(told({of(verdict)}).verdict == Verdict::proceed);
  CHECK(told({odd, slow}).delay == 2s);
}

TEST_CASE("policy chain: decisions are counted, and quiet ones too") {
  const auto tally = std::make_shared<Tally>();
  RunLoop loop;
  NullLog log;
  Decision quiet = of(Verdict::defer);
  quiet.quiet = true;
  for (const Decision& decision : {of(Verdict::reject), quiet, quiet, of(Verdict::proceed)}) {
    auto screening = Chain({says(decision, "counted")}, {.tally = tally}).open({.session = "s1", .service = "smtp"}, log);
    (void)loop.run_until(screening.judge(Stage::connect, screening.facts(), {&loop}));
  }
  const auto rows = tally->rows();
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].policy == "counted");
  CHECK(rows[0].verdict == Verdict::reject);
  CHECK(rows[0].count == 1);
  CHECK(rows[1].count == 2);
}

TEST_CASE("policy chain: a policy that needs longer than others says so, and is told when the connection is over") {
  struct Patient final : Policy {
    std::string_view name() const noexcept override { return "patient"; }
    std::optional<std::chrono::milliseconds> time_max() const noexcept override { return std::chrono::minutes(9); }
    std::unique_ptr<Inspector> inspect(const Connection&) override {
      struct Watch final : Inspector {
        explicit Watch(Patient& by) : owner(by) {}
        Task<Result<Decision>> judge(Stage, const Facts&, Context context) override {
          owner.given = context.deadline - context.executor->now();
          co_return Decision::proceed();
        }
        Task<void> close(Context) override {
          ++owner.closed;
          throw std::runtime_error("is not heard");
          co_return;
        }
        Patient& owner;
      };
      return std::make_unique<Watch>(*this);
    }
    Instant::duration given{};
    int closed = 0;
  };
  const auto first = std::make_shared<Patient>(), second = std::make_shared<Patient>();
  Fixture fixture({first, second});
  CHECK(fixture.judge(Stage::mail).verdict == Verdict::proceed);
  CHECK(first->given > std::chrono::minutes(8));
  CHECK(first->given <= std::chrono::minutes(9));
  fixture.loop.run_until(fixture.screening.close({&fixture.loop}));
  CHECK(first->closed + second->closed == 2);
}

TEST_CASE("policy chain: edits of a draft are made as they come, so that the next policy sees them") {
  std::string seen;
  std::uint32_t revision = 0;
  const auto reader = std::make_shared<Scripted>("reader", [&](Stage, const Facts& facts) {
    seen = facts.header;
    revision = facts.revision;
    return Decision::proceed();
  });
  Fixture fixture({says(Decision::proceed().with(AddHeader{"X-A", "1"}).with(AddRecipient{"a@b"})), reader});
  Draft draft("Subject: x\r\n\r\n");
  const Outcome outcome = fixture.loop.run_until(fixture.screening.judge(Stage::body, fixture.screening.facts(), {&fixture.loop}, &draft));
  CHECK(seen == "X-A: 1\r\nSubject: x\r\n\r\n");
  CHECK(revision == 1);
  REQUIRE(outcome.edits.size() == 1);  // the envelope's is left to the caller
  CHECK(std::holds_alternative<AddRecipient>(outcome.edits[0]));
}
