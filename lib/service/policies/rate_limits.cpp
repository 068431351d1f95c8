// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/policies/rate_limits.hpp"

#include <array>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "keystonemail/service/access/network_ladder.hpp"
#include "service/policies/bounded_map.hpp"
#include "service/policies/stranger.hpp"

namespace keystonemail::policies {
namespace {

using policy::Decision;
using policy::Stage;

constexpr auto window = std::chrono::minutes(1);

enum class Counted : std::uint8_t { connections, messages, recipients, refusals };
constexpr std::size_t kinds = 4;

std::string_view to_string(Counted what) noexcept {
  switch (what) {
    case Counted::connections: return "connections";
    case Counted::messages: return "messages";
    case Counted::recipients: return "recipients";
    case Counted::refusals: return "refused commands";
  }
  return "commands";
}

std::uint32_t ceiling(const RateOptions& options, Counted what) noexcept {
  switch (what) {
    case Counted::connections: return options.connections_per_minute;
    case Counted::messages: return options.messages_per_minute;
    case Counted::recipients: return options.recipients_per_minute;
    case Counted::refusals: return options.refusals_per_minute;
  }
  return 0;
}

// A network that has had too much of something.
struct Excess {
  IpNetwork network;
  Counted what;
  bool first = false;  // of this minute
  [[nodiscard]] std::string reason() const { return "too many " + std::string(to_string(what)) + " from " + network.to_string() + " in a minute"; }
};

}  // namespace

struct RateLimits::State {
  struct Counter {
    Instant start{};
    std::array<std::uint32_t, kinds> counts{};
  };
  using Key = std::pair<IpAddress, unsigned>;

  mutable std::mutex mutex;
  RateOptions options;                 // this and the counters guarded by mutex
  BoundedMap<Key, Counter> counters;

  Counter& counter(const Key& key, Instant now) {
    if (!counters.find(key))
      while (counters.size() >= networks_max) counters.pop_oldest();
    Counter& found = counters.touch(key);
    if (now - found.start >= window || now < found.start) found = {.start = now, .counts = {}};
    return found;
  }

  // Counts one more, for the networks from rung `from` on. Nothing: it may pass. What a network has too much of does not count
  // for the wider ones: nobody can use up what the neighbours may send.
  std::optional<Excess> count(const IpAddress& peer, Counted what, std::size_t from, Instant now) {
    const std::lock_guard lock(mutex);
    const std::uint32_t most = ceiling(options, what);
    for (std::size_t i = from; most != 0 && i < access::network_ladder.size(); ++i) {
      const access::Rung& rung = access::network_ladder[i];
      const Key key{peer.masked(rung.bits(peer)), rung.bits(peer)};
      std::uint32_t& counted = counter(key, now).counts[static_cast<std::size_t>(what)];
      if (counted < UINT32_MAX) ++counted;
      if (counted > most * rung.factor) return Excess{{key.first, key.second}, what, counted == most * rung.factor + 1};
    }
    return std::nullopt;
  }

  // Whether a network of the peer is over its ceiling now.
  std::optional<Excess> over(const IpAddress& peer, Counted what, Instant now) const {
    const std::lock_guard lock(mutex);
    const std::uint32_t most = ceiling(options, what);
    for (const access::Rung& rung : access::network_ladder) {
      const Key key{peer.masked(rung.bits(peer)), rung.bits(peer)};
      const Counter* found = counters.find(key);
      if (most != 0 && found && now - found->start < window && found->counts[static_cast<std::size_t>(what)] > most * rung.factor)
        return Excess{{key.first, key.second}, what, false};
    }
    return std::nullopt;
  }
};

namespace {

Decision refuse(policy::Verdict verdict, const Excess& excess) {
  Decision decision = Decision::defer("Too many " + std::string(to_string(excess.what)) + " from your network, wait a minute", "4.7.0", excess.reason());
  decision.verdict = verdict;
  if (verdict == policy::Verdict::defer) decision.refusal.code = 450;
  decision.quiet = !excess.first;
  return decision;
}

}  // namespace

// One connection.
class RateLimits::Session final : public policy::Inspector {
 public:
  Session(std::shared_ptr<State> state, const policy::Connection& connection) : state_(std::move(state)), peer_(connection.peer.address) {}

  Task<Result<Decision>> judge(Stage stage, const policy::Facts& facts, Context context) override {
    const Instant now = context.executor->now();
    using policy::Verdict;
    if (stage == Stage::connect) {
      if (const auto refusals = state_->over(peer_, Counted::refusals, now)) co_return refuse(Verdict::disconnect, *refusals);
      if (const auto excess = state_->count(peer_, Counted::connections, 1, now)) co_return refuse(Verdict::disconnect, *excess);
    }
    if (!is_to_be_checked(facts)) co_return Decision::proceed();
    const bool is_message = stage == Stage::mail, is_recipient = stage == Stage::rcpt;
    if (!is_message && !is_recipient) co_return Decision::proceed();
    if (const auto excess = state_->count(peer_, is_message ? Counted::messages : Counted::recipients, 0, now))
      co_return refuse(Verdict::defer, *excess);
    co_return Decision::proceed();
  }

  Task<Result<Decision>> refused(Stage stage, const policy::Facts& facts, std::uint16_t code, Context context) override {
    // Who is put off, by greylisting say, did nothing wrong.
    const bool counts = code >= 500 && (stage == Stage::mail || stage == Stage::rcpt) && is_to_be_checked(facts);
    if (!counts) co_return Decision::proceed();
    if (const auto excess = state_->count(peer_, Counted::refusals, 0, context.executor->now()))
      co_return refuse(policy::Verdict::disconnect, *excess);
    co_return Decision::proceed();
  }

 private:
  std::shared_ptr<State> state_;
  IpAddress peer_;
};

RateLimits::RateLimits(RateOptions options) : state_(std::make_shared<State>()) { state_->options = std::move(options); }
RateLimits::~RateLimits() = default;

void RateLimits::set_options(RateOptions options) {
  const std::lock_guard lock(state_->mutex);
  state_->options = std::move(options);
}

std::size_t RateLimits::networks() const {
  const std::lock_guard lock(state_->mutex);
  return state_->counters.size();
}

std::unique_ptr<policy::Inspector> RateLimits::inspect(const policy::Connection& connection) {
  const std::lock_guard lock(state_->mutex);
  if (!is_stranger(connection, state_->options.exempt)) return nullptr;
  return std::make_unique<Session>(state_, connection);
}

}  // namespace keystonemail::policies
