// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/policies/dns_lists.hpp"

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>

#include "base/format.hpp"
#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/resolver/budget.hpp"
#include "service/authentication/questions.hpp"
#include "service/policies/stranger.hpp"

namespace keystonemail::policies {
namespace {

using dns::AnswerStatus;
using policy::Decision;
using policy::Stage;

constexpr std::size_t reason_octets_max = 200;  // of what a list says about one listed
const IpNetwork list_answers{IpAddress::v4({127, 0, 0, 0}), 8};        // RFC 5782 §2.1
const IpNetwork resolver_refused{IpAddress::v4({127, 255, 255, 0}), 24};  // by the larger lists: blocked, over quota, mistyped

// "2.0.0.127" for 127.0.0.2; the nibbles of an IPv6 address (RFC 5782 §2.1, §2.4).
std::string reversed(const IpAddress& address) {
  std::string text = dns::reverse_name(address).text();
  text.resize(text.size() - std::string_view(address.family() == IpAddress::Family::v4 ? ".in-addr.arpa" : ".ip6.arpa").size());
  return text;
}

// What a list's answer says.
struct Reading {
  enum class Kind : std::uint8_t { not_listed, listed, unknown, refuses_us, no_list } kind = Kind::unknown;
  std::vector<IpAddress> codes;
};

Reading read(const dns::Answer& answer) {
  using Kind = Reading::Kind;
  if (answer.status == AnswerStatus::no_such_name || answer.status == AnswerStatus::no_data) return {Kind::not_listed, {}};
  if (answer.status != AnswerStatus::found) return {};
  Reading reading{Kind::listed, {}};
  for (const auto& record : answer.records) {
    const auto* a = std::get_if<dns::A>(&record);
    if (!a || !list_answers.contains(a->address)) return {Kind::no_list, {}};
    if (resolver_refused.contains(a->address)) return {Kind::refuses_us, {}};
    reading.codes.push_back(a->address);
  }
  return reading;
}

// A question to a list, and what came of it.
struct Inquiry {
  std::size_t list = 0;
  dns::Name name;
  Reading reading = {};
};

// Asks all at once.
Task<Result<void>> ask_all(resolver::Resolver& resolver, std::vector<Inquiry>& inquiries, const Context& context) {
  std::vector<Task<Result<dns::Answer>>> asking;
  for (const Inquiry& inquiry : inquiries) {
    dns::Question question{inquiry.name, dns::RecordType::a};
    asking.push_back(authentication::ask(resolver, std::move(question), context));
  }
  std::optional<Error> failure;
  for (std::size_t i = 0; i < asking.size(); ++i) {
    auto answer = co_await std::move(asking[i]);
    if (answer) inquiries[i].reading = read(*answer);
    else failure = answer.error();
  }
  if (failure) co_return std::unexpected(*failure);
  co_return Result<void>();
}

std::string printable(std::string text) {
  std::erase_if(text, [](char c) { return static_cast<unsigned char>(c) < ' ' || static_cast<unsigned char>(c) >= 0x7f; });
  return text.substr(0, reason_octets_max);
}

}  // namespace

std::optional<ListCodes> ListCodes::parse(std::string_view text) {
  ListCodes codes;
  if (const auto ampersand = text.find('&'); ampersand != std::string_view::npos) {
    const auto bits = parse_decimal(text.substr(ampersand + 1), 255);
    const auto address = IpAddress::parse(text.substr(0, ampersand));
    if (!bits || *bits == 0 || !address) return std::nullopt;
    auto octets = address->octets();
    codes.first = IpAddress::v4({octets[0], octets[1], octets[2], 0});
    codes.last = IpAddress::v4({octets[0], octets[1], octets[2], 255});
    codes.bits = static_cast<std::uint8_t>(*bits);
  } else if (const auto hyphen = text.find('-'); hyphen != std::string_view::npos) {
    const auto first = IpAddress::parse(text.substr(0, hyphen)), last = IpAddress::parse(text.substr(hyphen + 1));
    if (!first || !last || *last < *first) return std::nullopt;
    codes.first = *first, codes.last = *last;
  } else {
    const auto network = IpNetwork::parse(text);
    if (!network || network->address.family() != IpAddress::Family::v4) return std::nullopt;
    codes.first = network->address.masked(network->prefix_bits);
    auto octets = codes.first.octets();
    for (unsigned bit = network->prefix_bits; bit < 32; ++bit) octets[bit / 8] = static_cast<std::uint8_t>(octets[bit / 8] | 0x80U >> bit % 8);
    codes.last = IpAddress::v4({octets[0], octets[1], octets[2], octets[3]});
  }
  if (!list_answers.contains(codes.first) || !list_answers.contains(codes.last)) return std::nullopt;
  return codes;
}

bool ListCodes::cover(const IpAddress& answer) const noexcept {
  return first <= answer && answer <= last && (bits == 0 || (answer.octets()[3] & bits) != 0);
}

struct DnsLists::State {
  // What is known of a list.
  struct Health {
    bool tested = false;
    std::string why_off;      // empty: in use
    Instant next_test{};
  };

  State(resolver::Resolver& asked, Log& events, DnsListOptions chosen) : resolver(asked), log(events), options(std::move(chosen)) {
    if (options.lists.size() > lists_max) options.lists.resize(lists_max);
    health.resize(options.lists.size());
  }

  resolver::Resolver& resolver;
  Log& log;
  DnsListOptions options;
  mutable std::mutex mutex;
  std::vector<Health> health;  // as options.lists; guarded by mutex

  [[nodiscard]] bool is_off(std::size_t list) const {
    const std::lock_guard lock(mutex);
    return !health[list].why_off.empty();
  }
  // The lists whose test is due; it is put off meanwhile, so that one session makes it.
  [[nodiscard]] std::vector<std::size_t> take_due(Instant now) {
    const std::lock_guard lock(mutex);
    std::vector<std::size_t> due;
    for (std::size_t i = 0; i < health.size(); ++i) {
      const bool may = options.lists[i].self_test || !health[i].why_off.empty();
      if (!may || (health[i].tested && now < health[i].next_test)) continue;
      health[i].next_test = now + options.test_again;
      due.push_back(i);
    }
    return due;
  }
  void judge(std::size_t list, std::string why_off, Instant now) {
    std::string before;
    {
      const std::lock_guard lock(mutex);
      Health& one = health[list];
      one.tested = true;
      one.next_test = now + (why_off.empty() ? options.test_every : options.test_again);
      before = std::exchange(one.why_off, why_off);
    }
    if (before.empty() == why_off.empty()) return;
    if (why_off.empty()) log.event(LogLevel::info, "policy.list.on", {{"list", options.lists[list].zone}});
    else log.event(LogLevel::warning, "policy.list.off", {{"list", options.lists[list].zone}, {"why", why_off}});
  }
  // Something odd in an answer about somebody.
  void distrust(std::size_t list, Reading::Kind kind, Instant now) {
    if (kind == Reading::Kind::refuses_us) judge(list, "it refuses our resolver", now);
    if (kind == Reading::Kind::no_list) judge(list, "it answers outside 127.0.0.0/8", now);
  }
};

// One connection.
class DnsLists::Session final : public policy::Inspector {
 public:
  Session(std::shared_ptr<State> state, const policy::Connection& connection) : state_(std::move(state)), peer_(connection.peer.address) {}

  Task<Result<Decision>> judge(Stage stage, const policy::Facts& facts, Context context) override {
    if (!facts.login.empty()) co_return Decision::proceed();
    if (stage == Stage::mail) co_return co_await on_mail(facts, std::move(context));
    if (stage == Stage::rcpt) co_return on_recipient(facts);
    if (stage == Stage::headers) co_return on_header();
    co_return Decision::proceed();
  }
  void reset() noexcept override {
    hits_.clear();
    score_ = 0;
    words_.clear();
  }

 private:
  struct Hit {
    std::size_t list = 0;
    IpAddress code;
    std::string thing;  // that is listed
    dns::Name name;     // by which it is
  };
  [[nodiscard]] const DnsList& list_of(const Hit& hit) const { return state_->options.lists[hit.list]; }

  Task<Result<Decision>> on_mail(const policy::Facts& facts, Context context) {
    reset();
    if (!is_to_be_checked(facts)) co_return Decision::proceed();
    KM_CO_CHECK(co_await look_up(facts, context));
    bool speaks_for = false;
    for (const Hit& hit : hits_) {
      score_ += list_of(hit).weight;
      speaks_for = speaks_for || list_of(hit).weight < 0;
      words_ += format("{}{} {} ({})", words_.empty() ? "" : ", ", list_of(hit).zone, hit.code.to_string(), list_of(hit).weight);
    }
    const DnsListOptions& options = state_->options;
    Decision decision;
    if (options.quarantine_at > 0 && score_ >= options.quarantine_at) decision = Decision::quarantine(format("score {}: {}", score_, words_));
    if (score_ > 0) decision.edits.emplace_back(policy::Tag{"dnsbl", format("{}", score_)});
    if (speaks_for) decision.edits.emplace_back(policy::Tag{"dnswl", "listed"});
    if (options.reject_at > 0 && score_ >= options.reject_at) KM_CO_CHECK(co_await ask_why(context));
    co_return decision;
  }

  Decision on_recipient(const policy::Facts& facts) const {
    const DnsListOptions& options = state_->options;
    if (options.reject_at <= 0 || score_ < options.reject_at || !is_to_be_checked(facts)) return Decision::proceed();
    return Decision::reject(why_, "5.7.1", format("score {}: {}", score_, words_));
  }

  // A field of ours that came with the message is not ours.
  Decision on_header() const {
    const DnsListOptions& options = state_->options;
    Decision decision = Decision::proceed().with(policy::RemoveHeader{std::string(field_name), 0});
    if (options.tag_at <= 0 || score_ < options.tag_at) return decision;
    return std::move(decision).with(policy::AddHeader{std::string(field_name), format("score {}; {}", score_, words_), policy::Place::top});
  }

  Task<Result<void>> look_up(const policy::Facts& facts, const Context& context) {
    const DnsListOptions& options = state_->options;
    std::vector<Inquiry> inquiries;
    std::vector<std::string> things;
    for (std::size_t i = 0; i < options.lists.size(); ++i) {
      if (state_->is_off(i)) continue;
      const auto [thing, prefix] = subject(options.lists[i].of, facts);
      const auto zone = dns::Name::parse(options.lists[i].zone);
      auto name = prefix.empty() || !zone ? std::nullopt : zone->prefixed(prefix);
      if (!name) continue;
      inquiries.push_back({i, *std::move(name)});
      things.push_back(thing);
    }
    const std::size_t about_them = inquiries.size();
    const auto due = state_->take_due(context.executor->now());
    for (const std::size_t list : due) add_test(list, inquiries);
    resolver::Budget budget(state_->resolver, *context.executor, {.lookups_max = inquiries.size(), .time_max = options.time_max});
    KM_CO_CHECK(co_await ask_all(budget, inquiries, context));

    const Instant now = context.executor->now();
    for (std::size_t i = 0; i < due.size(); ++i) judge_test(due[i], inquiries[about_them + 2 * i].reading, inquiries[about_them + 2 * i + 1].reading, now);
    for (std::size_t i = 0; i < about_them; ++i) {
      const Inquiry& inquiry = inquiries[i];
      state_->distrust(inquiry.list, inquiry.reading.kind, now);
      if (inquiry.reading.kind == Reading::Kind::listed && !state_->is_off(inquiry.list)) add_hit(inquiry, things[i]);
    }
    co_return Result<void>();
  }

  // What a list is asked about, as shown and as asked; empty when there is nothing to ask.
  [[nodiscard]] std::pair<std::string, std::string> subject(ListedThing of, const policy::Facts& facts) const {
    if (of == ListedThing::address) return {"address [" + peer_.to_string() + "]", reversed(peer_)};
    const std::string_view domain = of == ListedThing::helo ? facts.hello : facts.sender.substr(facts.sender.rfind('@') + 1);
    const bool is_literal = domain.empty() || domain.starts_with('[') || IpAddress::parse(domain).has_value();
    const auto name = is_literal ? std::nullopt : dns::Name::from_domain(domain);
    if (!name || name->label_count() < 2) return {};
    return {(of == ListedThing::helo ? "HELO name " : "sender domain ") + name->text(), name->text()};
  }

  void add_hit(const Inquiry& inquiry, const std::string& thing) {
    const DnsList& list = state_->options.lists[inquiry.list];
    for (const IpAddress& code : inquiry.reading.codes) {
      const bool counts = list.codes.empty() || std::ranges::any_of(list.codes, [&](const ListCodes& some) { return some.cover(code); });
      if (!counts) continue;
      hits_.push_back({inquiry.list, code, thing, inquiry.name});
      return;  // each list once
    }
  }

  // RFC 5782 §5: what must be there, and what must not.
  void add_test(std::size_t list, std::vector<Inquiry>& inquiries) const {
    const DnsList& one = state_->options.lists[list];
    const bool of_addresses = one.of == ListedThing::address;
    const auto zone = dns::Name::parse(one.zone);
    for (const std::string_view entry : of_addresses ? std::array{"2.0.0.127", "1.0.0.127"} : std::array{"test", "invalid"}) {
      auto name = zone ? zone->prefixed(entry) : std::nullopt;
      inquiries.push_back({list, name ? *std::move(name) : dns::Name()});
    }
  }

  void judge_test(std::size_t list, const Reading& wanted, const Reading& unwanted, Instant now) const {
    using Kind = Reading::Kind;
    if (wanted.kind == Kind::unknown || unwanted.kind == Kind::unknown) return;  // as before; asked again soon
    for (const Kind kind : {wanted.kind, unwanted.kind})
      if (kind == Kind::refuses_us || kind == Kind::no_list) return state_->distrust(list, kind, now);
    const bool self_test = state_->options.lists[list].self_test;
    if (self_test && unwanted.kind == Kind::listed) return state_->judge(list, "it lists everybody: its test entry for nobody is there", now);
    if (self_test && wanted.kind == Kind::not_listed) return state_->judge(list, "its test entry is not there", now);
    state_->judge(list, {}, now);
  }

  // What the lists say to the first of those that speak against the client.
  Task<Result<void>> ask_why(const Context& context) {
    const auto first = std::ranges::max_element(hits_, {}, [&](const Hit& hit) { return list_of(hit).weight; });
    why_ = format("Your {} is listed by {}", first->thing, list_of(*first).zone);
    resolver::Budget budget(state_->resolver, *context.executor, {.lookups_max = 1, .time_max = state_->options.time_max / 2});
    dns::Question question{first->name, dns::RecordType::txt};
    const auto answer = co_await authentication::ask(budget, std::move(question), context);
    if (!answer) co_return std::unexpected(answer.error());
    if (answer->status != AnswerStatus::found) co_return Result<void>();
    const std::string text = printable(std::get<dns::Txt>(answer->records.front()).joined());
    if (!text.empty()) why_ += ": " + text;
    co_return Result<void>();
  }

  std::shared_ptr<State> state_;
  IpAddress peer_;
  std::vector<Hit> hits_;
  int score_ = 0;
  std::string words_, why_;
};

DnsLists::DnsLists(resolver::Resolver& resolver, Log& log, DnsListOptions options)
    : state_(std::make_shared<State>(resolver, log, std::move(options))) {}
DnsLists::~DnsLists() = default;

std::unique_ptr<policy::Inspector> DnsLists::inspect(const policy::Connection& connection) {
  if (state_->options.lists.empty() || !is_stranger(connection, state_->options.exempt)) return nullptr;
  return std::make_unique<Session>(state_, connection);
}

std::vector<DnsLists::Standing> DnsLists::standings() const {
  const std::lock_guard lock(state_->mutex);
  std::vector<Standing> out;
  for (std::size_t i = 0; i < state_->health.size(); ++i) out.push_back({state_->options.lists[i].zone, state_->health[i].why_off});
  return out;
}

}  // namespace keystonemail::policies
