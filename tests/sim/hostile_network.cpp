// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "sim/hostile_network.hpp"

#include <algorithm>
#include <cassert>
#include <deque>

#include "base/try.hpp"
#include "transport/waiter.hpp"

namespace keystonemail::sim {
namespace {

enum class Break : std::uint8_t { reset, half_close, silence, silence_both };
constexpr Break all_breaks[] = {Break::reset, Break::half_close, Break::silence, Break::silence_both};
constexpr const char* break_names[] = {"reset", "half-closed", "silent", "silent both ways"};

constexpr auto patience_for_nobody = std::chrono::minutes(2);  // where the caller sets no deadline

// One direction.
struct Flow {
  struct Piece {
    Instant arrives;
    std::string octets;  // none: the end
  };
  std::deque<Piece> under_way;
  std::size_t octets = 0;    // of them, and of those lost in silence
  std::uint64_t passed = 0;  // since the beginning
  std::optional<std::uint64_t> cut_at;
  Break how = Break::reset;
  bool silent = false;       // nothing arrives any more, and nobody is told
  bool ended = false;        // what is written now is for nobody
  transport::Waiter readable, writable;
};

enum class Side : std::uint8_t { client, server };

}  // namespace

struct HostileNetwork::Link {
  Link(HostileNetwork& network_, std::size_t capacity_) : network(network_), capacity(capacity_) {}

  void break_off() {
    broken = true;
    for (Flow* flow : {&up, &down}) {
      flow->under_way.clear();
      flow->readable.wake_later();
      flow->writable.wake_later();
    }
  }
  void note(std::string_view what) {
    const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(network.executor_.now().time_since_epoch());
    network.trace_.note(std::to_string(time.count()) + " link " + std::to_string(number) + " " + std::string(what));
  }
  void strike(Flow& flow) {
    disturbed = true;
    ++network.struck;
    note(break_names[static_cast<std::size_t>(flow.how)]);
    switch (flow.how) {
      case Break::reset: return break_off();
      case Break::half_close: return end(flow);
      case Break::silence_both: up.silent = down.silent = true; return;
      case Break::silence: flow.silent = true; return;
    }
  }
  void end(Flow& flow) {
    if (std::exchange(flow.ended, true)) return;
    flow.under_way.push_back({arrival(flow), {}});
    flow.readable.wake_later();
  }
  Instant arrival(const Flow& flow) {
    const auto max = static_cast<std::uint64_t>(network.weather.delay_max.count());
    const Instant now = network.executor_.now() + std::chrono::milliseconds(max == 0 ? 0 : network.random_.below(max + 1));
    return flow.under_way.empty() ? now : std::max(now, flow.under_way.back().arrives);
  }
  // Octets set out; some of them may arrive.
  void carry(Flow& flow, std::string_view octets) {
    std::size_t kept = octets.size();
    const bool cut = flow.cut_at && flow.passed + octets.size() > *flow.cut_at;
    if (cut) kept = *flow.cut_at > flow.passed ? *flow.cut_at - flow.passed : 0;
    flow.passed += octets.size();
    flow.octets += octets.size();
    if (flow.ended || broken) flow.octets -= octets.size();
    else if (!flow.silent && kept > 0) flow.under_way.push_back({arrival(flow), std::string(octets.substr(0, kept))});
    if (cut) {
      flow.cut_at.reset();
      if (!flow.silent && !flow.ended && !broken) strike(flow);
    }
    flow.readable.wake_later();
  }
  // The server has the whole message now.
  void message_ended() {
    if (!network.strikes(network.weather.lose_reply_one_in)) return;
    down.cut_at = down.passed + network.random_.below(3) * network.random_.below(12);
    down.how = all_breaks[network.random_.below(std::size(all_breaks))];
    if (network.random_.below(3) == 0) strike(down);  // before the server has made up its mind
  }

  HostileNetwork& network;
  Flow up, down;
  Dialog dialog;
  std::vector<Transfer> hidden;  // that TLS kept from the dialog
  Endpoint client, server;
  SiteNumber from = outside, to = outside;
  std::size_t number = 0;
  std::size_t capacity;
  WallTime opened{};
  std::optional<Certificate> certificate;  // that the server showed
  std::string clear;                       // what the client said before TLS
  std::vector<Sight> sights;               // headers that the server has read
  bool strips = false, injects = false;
  bool broken = false;
  bool disturbed = false;
  int ends = 2;  // that are still held
};

namespace {

class LinkEnd final : public transport::ByteStream {
 public:
  LinkEnd(std::shared_ptr<HostileNetwork::Link> link, test::SimExecutor& executor, Side side, Endpoint peer, Endpoint local)
      : link_(std::move(link)), executor_(executor), side_(side), peer_(peer), local_(local) {}
  ~LinkEnd() override {
    if (!closed_) link_->break_off();
    --link_->ends;
  }

  Task<Result<std::string_view>> read(Context context) override {
    assert(!closed_);
    Flow& in = this->in();
    while (unconsumed() == 0) {
      if (link_->broken) co_return fail(ErrorKind::unavailable, {}, "reset by the peer");
      const Instant now = executor_.now();
      if (!in.under_way.empty() && in.under_way.front().arrives <= now) {
        if (in.under_way.front().octets.empty()) co_return std::string_view();
        take_arrived(in, now);
        break;
      }
      Context wait = context;
      if (!in.under_way.empty()) wait.deadline = std::min(wait.deadline, in.under_way.front().arrives);
      const transport::Wake wake = co_await in.readable.wait(wait);
      const bool over = wake == transport::Wake::cancelled || (wake == transport::Wake::timeout && executor_.now() >= context.deadline);
      if (over) co_return transport::wake_failure(wake, "read");
    }
    touch();
    co_return std::string_view(held_).substr(consumed_);
  }
  void consume(std::size_t octets) noexcept override {
    const std::string_view view = std::string_view(held_).substr(consumed_, octets);
    const std::size_t before = link_->dialog.messages();
    if (side_ == Side::client) link_->dialog.client_read(view);
    else link_->dialog.server_read(view);
    consumed_ += octets;
    touch();
    if (link_->dialog.messages() > before) link_->message_ended();
    if (consumed_ < held_.size()) return;
    held_ = {};
    consumed_ = 0;
  }
  [[nodiscard]] std::size_t unconsumed() const noexcept override { return held_.size() - consumed_; }

  Task<Result<void>> write(std::span<const std::string_view> pieces, Context context) override {
    assert(!closed_);
    const bool was_clear = !link_->dialog.is_blind();
    if (side_ == Side::server) {
      for (const std::string_view piece : pieces) link_->dialog.server_wrote(piece);
    }
    std::string text;
    if (was_clear) {
      for (const std::string_view piece : pieces) text += piece;
      if (side_ == Side::client) link_->clear += text;
      else tamper(text);
      const std::string_view whole = text;
      pieces = {};
      KM_CO_CHECK(co_await carry(whole, context));
    }
    for (const std::string_view piece : pieces) KM_CO_CHECK(co_await carry(piece, context));
    touch();
    co_return Result<void>();
  }
  Task<Result<void>> carry(std::string_view piece, Context context) {
    Flow& out = this->out();
    while (!piece.empty()) {
      if (link_->broken) co_return fail(ErrorKind::unavailable, {}, "reset by the peer");
      const std::size_t room = link_->capacity - std::min(link_->capacity, out.octets);
      if (room == 0) {
        const transport::Wake wake = co_await out.writable.wait(context);
        if (wake != transport::Wake::ready) co_return transport::wake_failure(wake, "write");
        continue;
      }
      link_->carry(out, piece.substr(0, room));
      piece.remove_prefix(std::min(room, piece.size()));
    }
    co_return Result<void>();
  }
  // With what the server says in the clear.
  void tamper(std::string& text) {
    constexpr std::string_view offer = "STARTTLS\r\n";
    if (const auto at = text.find(offer); link_->strips && at != std::string::npos) {
      text.replace(at, offer.size(), "XXXXXXXX\r\n");
      ++link_->network.struck;
      link_->note("strips STARTTLS");
    }
    if (!link_->injects || !link_->dialog.is_blind()) return;
    text += "250 2.0.0 injected\r\n";
    ++link_->network.struck;
    link_->note("injects a reply");
  }
  void touch() noexcept {
    if (side_ == Side::server) link_->network.touched(*link_);
  }
  Task<void> close(Context) override {
    closed_ = true;
    if (!link_->broken && !out().silent) link_->end(out());
    in().ended = true;  // nobody reads it any more
    in().octets = 0;
    in().writable.wake_later();
    co_return;
  }
  [[nodiscard]] const Endpoint& peer() const noexcept override { return peer_; }
  [[nodiscard]] const Endpoint& local() const noexcept override { return local_; }

 private:
  Flow& in() noexcept { return side_ == Side::client ? link_->down : link_->up; }
  Flow& out() noexcept { return side_ == Side::client ? link_->up : link_->down; }
  void take_arrived(Flow& in, Instant now) {
    held_.clear();
    consumed_ = 0;
    while (!in.under_way.empty() && in.under_way.front().arrives <= now && !in.under_way.front().octets.empty()) {
      held_ += in.under_way.front().octets;
      in.under_way.pop_front();
    }
    in.octets -= std::min(in.octets, held_.size());
    in.writable.wake_later();
  }

  std::shared_ptr<HostileNetwork::Link> link_;
  test::SimExecutor& executor_;
  Side side_;
  Endpoint peer_, local_;
  std::string held_;
  std::size_t consumed_ = 0;
  bool closed_ = false;
};

}  // namespace

Task<Result<std::unique_ptr<transport::ByteStream>>> HostileNetwork::connect(SiteNumber from, Endpoint to, Context context) {
  if (weather.delay_max.count() > 0) {
    const std::chrono::milliseconds delay(random_.below(static_cast<std::uint64_t>(weather.delay_max.count()) + 1));
    co_await sleep_until(executor_.now() + delay, context);
  }
  const bool ignored = strikes(weather.ignore_one_in);
  if (ignored) ++struck;
  if (ignored || silent_.contains(to.address)) {
    co_await sleep_until(std::min(context.deadline, executor_.now() + patience_for_nobody), context);
    co_return fail(ErrorKind::timeout, {}, "nobody answers");
  }
  const auto found = listeners_.find(to);
  const bool refused = strikes(weather.refuse_one_in);
  if (refused) ++struck;
  if (refused || found == listeners_.end()) co_return fail(ErrorKind::unavailable, {}, "connection refused");
  constexpr std::size_t capacities[] = {65'536, 65'536, 4'096, 256, 17};
  const auto link = std::make_shared<Link>(*this, capacities[random_.below(std::size(capacities))]);
  link->from = from;
  link->to = found->second.site;
  link->number = links_.size();
  if (strikes(weather.cut_one_in)) {
    Flow& flow = random_.below(2) == 0 ? link->up : link->down;
    flow.cut_at = random_.below(random_.below(3) == 0 ? 5'000 : 700);
    flow.how = all_breaks[random_.below(std::size(all_breaks))];
  }
  link->strips = from != outside && strikes(weather.strip_one_in);
  link->injects = from != outside && strikes(weather.inject_one_in);
  link->opened = executor_.wall_now();
  if (++next_port_ == 0) next_port_ = 1024;
  const Endpoint here{IpAddress::v4({198, 51, 100, static_cast<std::uint8_t>(from == outside ? 200 : from + 1)}), next_port_};
  link->client = here;
  link->server = to;
  links_.push_back(link);
  link->note(std::to_string(from) + " to " + to.to_string());
  found->second.accept(std::make_unique<LinkEnd>(link, executor_, Side::server, here, to));
  co_return std::make_unique<LinkEnd>(link, executor_, Side::client, to, here);
}

HostileNetwork::Link& HostileNetwork::link_of(std::string_view peer) {
  const auto link = std::find_if(links_.rbegin(), links_.rend(), [&](const auto& one) { return one->client.to_string() == peer; });
  assert(link != links_.rend());
  return **link;
}

void HostileNetwork::taken(std::string_view peer, Transfer transfer) {
  Link& link = link_of(peer);
  if (!link.dialog.is_blind()) return;
  link.hidden.push_back(std::move(transfer));
  link.message_ended();
}

void HostileNetwork::shows(SiteNumber site, Certificate certificate) {
  assert(current_ && current_->to == site);
  assert(current_->dialog.is_blind());
  current_->certificate = certificate;
}

void HostileNetwork::seen(std::string_view peer, std::string key) {
  Link& link = link_of(peer);
  if (link.from == outside) return;
  const bool is_hidden = link.dialog.is_blind();
  assert(!is_hidden || link.certificate);
  link.sights.push_back({.from = link.from, .to = link.to, .port = link.server.port, .opened = link.opened, .when = executor_.wall_now(),
                         .certificate = is_hidden ? link.certificate : std::nullopt, .key = std::move(key)});
}

void HostileNetwork::excuse(SiteNumber site) {
  for (const auto& link : links_) {
    if (link->ends > 0 && (link->from == site || link->to == site)) link->disturbed = true;
  }
}

void HostileNetwork::sever(SiteNumber site) {
  excuse(site);
  for (const auto& link : links_) {
    if (link->ends > 0 && (link->from == site || link->to == site)) link->break_off();
  }
}

std::vector<Passage> HostileNetwork::passages() const {
  std::vector<Passage> all;
  for (const auto& link : links_) {
    for (Transfer& transfer : link->dialog.transfers()) all.push_back({link->from, link->to, std::move(transfer), link->disturbed, false, link->server.port});
    for (const Transfer& transfer : link->hidden) all.push_back({link->from, link->to, transfer, link->disturbed, true, link->server.port});
  }
  return all;
}

// What went over in the clear, as far as it got: each transaction by its first command, which has the key of the message in ENVID if
// anything there has.
std::vector<Sight> HostileNetwork::sights() const {
  constexpr std::string_view command = "MAIL FROM:<", envelope_id = " ENVID=e";
  std::vector<Sight> all;
  for (const auto& link : links_) {
    if (link->from == outside) continue;
    all.insert(all.end(), link->sights.begin(), link->sights.end());
    for (auto at = link->clear.find(command); at != std::string::npos; at = link->clear.find(command, at + 1)) {
      const std::string_view line = std::string_view(link->clear).substr(at, link->clear.find('\n', at) - at);
      if (line.starts_with("MAIL FROM:<>")) continue;  // a report, which does not say of what; its header does
      const auto id = line.find(envelope_id);
      all.push_back({.from = link->from, .to = link->to, .port = link->server.port, .opened = link->opened, .when = link->opened, .certificate = std::nullopt,
                     .key = id == std::string_view::npos ? std::string() : std::string(line.substr(id + envelope_id.size(), 8))});
    }
  }
  return all;
}

}  // namespace keystonemail::sim
