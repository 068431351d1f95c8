// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "sim/exchange.hpp"

#include <algorithm>
#include <charconv>
#include <exception>
#include <memory>
#include <set>
#include <utility>

#include "keystonemail/codec/base64.hpp"
#include "keystonemail/transport/tls_stream.hpp"
#include "sim/books.hpp"
#include "sim/country.hpp"
#include "sim/site.hpp"

namespace keystonemail::sim {
namespace {

constexpr std::size_t violations_noted_max = 40;

struct Nation {  // the whole world of one seed
  explicit Nation(ExchangeOptions given)
      : options(given),
        random(SeededRandom(given.seed).next_u64()),
        executor(given.seed),
        trace(given.show),
        country(2 + random.below(2), random.next_u64()),
        promises(country, executor, given.faults, random.next_u64()),
        books(country),
        network(executor, trace, random.next_u64()) {
    constexpr int lifetimes[] = {4, 12, 30, 120};
    around.lifetime = std::chrono::hours(lifetimes[random.below(std::size(lifetimes))]);
    around.bounce_lifetime = std::chrono::hours(random.below(2) == 0 ? 3 : 24);
    around.bug = options.bug;
    for (const IpAddress& address : Country::dead_addresses()) network.silence(address);
    for (SiteNumber i = 0; i < country.sites(); ++i) sites.push_back(std::make_unique<Site>(around, i, random.next_u64()));
  }

  void violation(std::string what) {
    if (violations.size() < violations_noted_max) violations.push_back(std::move(what));
  }

  const ExchangeOptions options;
  SeededRandom random;
  test::SimExecutor executor;
  Trace trace;
  Country country;
  Promises promises;
  Books books;
  std::vector<std::string> violations;
  HostileNetwork network;
  Surroundings around{executor, network, trace, country, promises, [this](std::string what) { violation(std::move(what)); }};
  std::vector<std::unique_ptr<Site>> sites;
  std::size_t clients = 0;
  std::size_t changes = 0;
};

std::string notify_words(const queue::Notify& notify) {
  if (!notify.specified) return {};
  if (notify.never) return " NOTIFY=NEVER";
  std::string words;
  for (const auto& [given, word] : {std::pair(notify.success, ",SUCCESS"), {notify.failure, ",FAILURE"}, {notify.delay, ",DELAY"}}) {
    if (given) words += word;
  }
  return " NOTIFY=" + words.substr(1);
}

queue::Notify draw_notify(SeededRandom& random) {
  if (random.below(2) == 0) return {};
  queue::Notify notify{.specified = true, .never = random.below(4) == 0};
  if (notify.never) return notify;
  notify.success = random.below(2) == 0;
  notify.failure = random.below(2) == 0;
  notify.delay = random.below(2) == 0 || (!notify.success && !notify.failure);
  return notify;
}

// Somebody with a mail program, or a stranger's server, on one connection.
class Correspondent {
 public:
  Correspondent(Nation& nation, SiteNumber site, std::uint64_t seed) : nation_(nation), site_(site), random_(seed) {
    submits_ = random_.below(4) != 0;
    name_ = std::string(residents[random_.below(2)].name) + "@" + Country::domain(site);
    constexpr const char* strangers[] = {"stranger@outside.test", "stranger@nx.test", "", "stranger@dead.test"};
    sender_ = submits_ ? name_ : strangers[random_.below(std::size(strangers))];
    if (!submits_ && random_.below(3) == 0) sender_ = std::string(residents[random_.below(2)].name) + "@" + Country::domain(nation.country.next(site));
  }

  Task<void> run() {
    const Endpoint to{Country::address(site_), submits_ ? submission_port : smtp_port};
    auto stream = co_await nation_.network.connect(outside, to, context());
    if (!stream) co_return;
    stream_ = *std::move(stream);
    const int greeting = co_await reply();
    if (greeting != 220) co_return;
    const int hello = co_await ask("EHLO someone.test\r\n");
    if (hello != 250) co_return;
    if (submits_ && random_.below(2) == 0) {
      const bool done = co_await start_tls();
      if (!done) co_return;
    }
    if (submits_) {
      const std::string secret = '\0' + name_ + '\0' + "secret of " + name_;
      const int welcome = co_await ask("AUTH PLAIN " + codec::encode_base64(secret) + "\r\n");
      if (welcome != 235) co_return;
    }
    for (std::uint64_t left = 1 + random_.below(3); left > 0 && stream_; --left) co_await transaction();
    if (random_.below(3) != 0) (void)co_await ask("QUIT\r\n");
    stream_.reset();
  }

 private:
  Context context() { return Context(&nation_.executor).until(nation_.executor.now() + std::chrono::hours(1)); }

  Task<bool> start_tls() {
    const int go = co_await ask("STARTTLS\r\n");
    if (go != 220) co_return false;
    tls::ClientRequest request;
    request.server_name = Country::host(site_);
    request.verification = tls::Verification::opportunistic;
    auto secured = co_await transport::TlsStream::connect(std::move(stream_), client_tls(), std::move(request), transport::TlsStart::upgrade, context());
    if (!secured) co_return false;
    stream_ = *std::move(secured);
    is_secure_ = true;
    const int hello = co_await ask("EHLO someone.test\r\n");
    co_return hello == 250;
  }
  Task<bool> say(std::string text) {
    if (!stream_) co_return false;
    const auto written = co_await transport::write_all(*stream_, text, context());
    if (!written) stream_.reset();
    co_return written.has_value();
  }
  // The code of the next reply; 0: none came.
  Task<int> reply() {
    for (;;) {
      if (const auto end = unread_.find("\r\n"); end != std::string::npos) {
        const std::string line = unread_.substr(0, end);
        unread_.erase(0, end + 2);
        int code = 0;
        std::from_chars(line.data(), line.data() + std::min<std::size_t>(line.size(), 3), code);
        if (line.size() > 3 && line[3] == '-') continue;
        co_return code;
      }
      if (!stream_) co_return 0;
      const auto got = co_await stream_->read(context());
      if (!got && got.error().kind() == ErrorKind::timeout) nation_.trace.note("somebody lost patience");
      if (!got || got->empty()) {
        stream_.reset();
        co_return 0;
      }
      unread_ += *got;
      stream_->consume(got->size());
    }
  }
  Task<int> ask(std::string text) {
    const bool said = co_await say(std::move(text));
    if (!said) co_return 0;
    co_return co_await reply();
  }

  // Addresses no two of which ever lead to the same place, so that what arrives there is of one of them.
  std::vector<std::string> draw_recipients() {
    std::vector<std::string> chosen;
    std::set<std::pair<SiteNumber, Target>> places;
    for (std::uint64_t left = 1 + random_.below(4); left > 0; --left) {
      std::string address = nation_.country.draw_address(random_);
      if (!submits_) address = address.substr(0, address.find('@')) + "@" + Country::domain(site_);
      std::set<std::pair<SiteNumber, Target>> reached;
      reach(site_, address, reached);
      if (std::ranges::any_of(reached, [&](const auto& place) { return places.contains(place); })) continue;
      places.merge(reached);
      chosen.push_back(std::move(address));
    }
    return chosen;
  }
  void reach(SiteNumber site, const std::string& address, std::set<std::pair<SiteNumber, Target>>& reached) {
    for (const Target& target : nation_.country.targets(site, address)) {
      if (!reached.insert({site, target}).second) continue;
      const auto* there = std::get_if<std::string>(&target);
      const SiteNumber next = there ? nation_.country.site_of(*there) : outside;
      if (next != outside) reach(next, *there, reached);
    }
  }

  std::string compose(const std::string& key, const SentMessage& message) {
    std::string text = (message.tls_optional ? "TLS-Required: No\r\nFrom: " : "From: ") + (sender_.empty() ? std::string("nobody@outside.test") : sender_) + "\r\nX-Token: " + key +
                       "\r\nSubject: number " + key + "\r\nMessage-ID: <" + key + "@sim.test>\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n\r\n";
    if (message.requires_tls) text += secret_line(key) + "\r\n";
    const std::size_t size = random_.below(8) == 0 ? random_.below(20'000) : random_.below(300);
    while (text.size() < size) text += random_.below(6) == 0 ? "..dots\r\n" : "line " + random_.hex(1 + random_.below(30)) + "\r\n";
    return text;
  }

  Task<void> transaction() {
    const auto recipients = draw_recipients();
    SentMessage message{.text = {}, .sender = sender_, .notify = {}};
    std::string digits = std::to_string(nation_.books.sent.size());
    const std::string key = std::string(8 - digits.size(), '0') + digits;
    message.requires_tls = is_secure_ && random_.below(2) == 0;
    message.tls_optional = !message.requires_tls && random_.below(10) == 0;
    message.text = compose(key, message);
    const bool is_special = message.requires_tls || message.tls_optional;  // the network is to know it by its envelope
    std::string parameters = is_special || random_.below(2) == 0 ? " ENVID=e" + key : "";
    if (message.requires_tls) parameters += " REQUIRETLS";
    if (random_.below(3) == 0) parameters += random_.below(2) == 0 ? " RET=FULL" : " RET=HDRS";
    if (submits_ && random_.below(4) == 0) {
      const std::uint64_t within = 1 + random_.below(random_.below(2) == 0 ? 600 : 100'000);  // seconds
      parameters += " BY=" + std::to_string(within) + (random_.below(2) == 0 ? ";R" : ";N") + (random_.below(3) == 0 ? "T" : "");
    }
    for (const auto& recipient : recipients) message.notify[recipient] = draw_notify(random_);
    nation_.books.sent[key] = message;
    const int mail = co_await ask("MAIL FROM:<" + sender_ + ">" + parameters + "\r\n");
    if (mail != 250) co_return co_await reset();
    std::size_t taken = 0;
    for (const auto& recipient : recipients) {
      const int answer = co_await ask("RCPT TO:<" + recipient + ">" + notify_words(message.notify[recipient]) + " ORCPT=rfc822;" + recipient + "\r\n");
      if (answer == 250) ++taken;
      else if (answer != 0) ++nation_.books.refused;
    }
    if (taken == 0) co_return co_await reset();
    if (random_.below(4) == 0) {
      const std::size_t half = random_.below(message.text.size());
      std::string chunks = "BDAT " + std::to_string(half) + "\r\n" + message.text.substr(0, half);
      chunks += "BDAT " + std::to_string(message.text.size() - half) + " LAST\r\n" + message.text.substr(half);
      const int first = co_await ask(std::move(chunks));
      if (first != 0) (void)co_await reply();
      co_return;
    }
    const int go = co_await ask("DATA\r\n");
    if (go != 354) co_return co_await reset();
    std::string stuffed;
    for (const char c : message.text) {
      if (c == '.' && (stuffed.empty() || stuffed.back() == '\n')) stuffed += '.';
      stuffed += c;
    }
    (void)co_await ask(stuffed + ".\r\n");
  }
  Task<void> reset() {
    const int answer = co_await ask("RSET\r\n");
    if (answer != 250) stream_.reset();
  }

  Nation& nation_;
  SiteNumber site_;
  SeededRandom random_;
  bool submits_ = false, is_secure_ = false;
  std::string name_, sender_;
  std::unique_ptr<transport::ByteStream> stream_;
  std::string unread_;
};

Task<void> run_correspondent(Nation& nation, std::chrono::milliseconds start, SiteNumber site, std::uint64_t seed) {
  ++nation.clients;
  const Context context(&nation.executor);
  co_await sleep_until(nation.executor.now() + start, context);
  {
    Correspondent someone(nation, site, seed);
    co_await someone.run();
  }
  --nation.clients;
}

void draw_weather(Nation& nation) {
  if (!nation.options.faults) return;
  constexpr std::uint64_t rates[] = {0, 0, 20, 6, 3, 2};
  const auto rate = [&] { return rates[nation.random.below(std::size(rates))]; };
  nation.network.weather = {.refuse_one_in = rate(), .ignore_one_in = rate(), .cut_one_in = rate(), .lose_reply_one_in = rate()};
  nation.network.weather.strip_one_in = rate();
  nation.network.weather.inject_one_in = 3 * rate();
  constexpr int delays[] = {0, 20, 900};
  nation.network.weather.delay_max = std::chrono::milliseconds(delays[nation.random.below(std::size(delays))]);
  for (auto& site : nation.sites) {
    if (nation.random.below(2) == 0) site->draw_weather();
    else site->fair_weather();
  }
}

void pass_time(Nation& nation, std::chrono::milliseconds span) {
  while (span.count() > 0) {
    const bool all_up = std::ranges::all_of(nation.sites, [](const auto& site) { return site->is_up(); });
    const auto step = std::min<std::chrono::milliseconds>(span, all_up ? std::chrono::minutes(10) : std::chrono::seconds(20));
    nation.executor.advance(step);
    for (auto& site : nation.sites) site->tick();
    span -= step;
  }
}

// Some people at once; servers may go down among them.
void run_phase(Nation& nation) {
  draw_weather(nation);
  constexpr int spans[] = {2, 60, 360, 1'200};
  const auto span = std::chrono::minutes(spans[nation.random.below(std::size(spans))]);
  const std::uint64_t busy = 1 + nation.random.below(20'000);  // milliseconds in which they come
  for (std::uint64_t left = 1 + nation.random.below(6); left > 0; --left) {
    run_correspondent(nation, std::chrono::milliseconds(nation.random.below(busy)), nation.random.below(nation.sites.size()), nation.random.next_u64()).detach();
  }
  const std::uint64_t ends = nation.options.faults ? nation.random.below(3) : 0;
  for (std::uint64_t i = 0; i < ends; ++i) {
    Site& site = *nation.sites[nation.random.below(nation.sites.size())];
    const auto when = std::chrono::milliseconds(nation.random.below(nation.random.below(3) == 0 ? static_cast<std::uint64_t>(span.count()) * 60'000 : 2 * busy));
    const Site::End how = nation.random.below(3) == 0 ? Site::End::drain : Site::End::crash;
    const std::chrono::seconds away(nation.random.below(nation.random.below(4) == 0 ? 40'000 : 300));
    (void)nation.executor.start_timer(nation.executor.now() + when, [&site, how, away] { site.end(how, away); });
  }
  // Most of them while mail is under way.
  for (std::uint64_t left = nation.options.faults ? nation.random.below(8) : 0; left > 0; --left) {
    const auto when = std::chrono::milliseconds(nation.random.below(nation.random.below(2) == 0 ? static_cast<std::uint64_t>(span.count()) * 60'000 : 2 * busy));
    (void)nation.executor.start_timer(nation.executor.now() + when, [&nation] {
      nation.trace.note(nation.promises.change());
      ++nation.changes;
    });
  }
  pass_time(nation, span);
}

bool is_quiet(Nation& nation) {
  return nation.clients == 0 && std::ranges::all_of(nation.sites, [](const auto& site) { return site->is_quiet(); });
}

// Nothing goes wrong any more, until nobody has anything to do.
void make_peace(Nation& nation) {
  nation.trace.note("peace");
  nation.network.weather = {};
  if (nation.options.faults) nation.promises.settle();
  const auto most = nation.around.lifetime + nation.around.bounce_lifetime + std::chrono::hours(48);
  for (std::chrono::minutes gone{0}; gone < most; gone += std::chrono::minutes(30)) {
    for (auto& site : nation.sites) site->fair_weather();
    if (is_quiet(nation)) return;
    pass_time(nation, std::chrono::minutes(30));
  }
}

void settle(Nation& nation, ExchangeReport& report) {
  if (nation.clients > 0) nation.violation("somebody waits in vain");
  std::vector<Books::SiteView> views;
  views.reserve(nation.sites.size());
  for (auto& site : nation.sites) views.push_back({site.get(), site->look()});
  nation.books.balance(views, nation.network.passages(), nation.around, report);
  nation.books.check_sights(nation.network.sights(), nation.around, report);
  report.changes = nation.changes;
  for (auto& site : nation.sites) {
    report.restarts += site->restarts();
    report.faults += site->faults();
  }
  report.faults += nation.network.struck;
  report.refused = nation.books.refused;
}

void end_world(Nation& nation) {
  for (auto& site : nation.sites) site->end(Site::End::drain, std::chrono::hours(1'000'000));
  try {
    for (int i = 0; i < 30 && std::ranges::any_of(nation.sites, [](const auto& site) { return site->is_ending(); }); ++i) {
      pass_time(nation, std::chrono::minutes(10));
    }
  } catch (const std::exception& error) {
    nation.violation(error.what());
  }
}

}  // namespace

ExchangeReport simulate_exchange(ExchangeOptions options) {
  ExchangeReport report;
  Nation nation(options);
  try {
    for (std::uint64_t phases = 1 + nation.random.below(3); phases > 0; --phases) run_phase(nation);
    make_peace(nation);
    settle(nation, report);
  } catch (const std::exception& error) {
    nation.violation(error.what());
  }
  end_world(nation);
  report.violations = std::move(nation.violations);
  report.trace_hash = nation.trace.hash();
  return report;
}

}  // namespace keystonemail::sim
