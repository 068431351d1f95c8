// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/reports/posts.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/try.hpp"
#include "keystonemail/reports/report_reader.hpp"
#include "keystonemail/service/access/network_ladder.hpp"

namespace keystonemail::reporting {
namespace {

// RFC 8460 §5.4 has the first two, and no more than SHOULD: whoever knows no such types says what the octets are.
constexpr std::array<std::string_view, 4> media_types{"application/tlsrpt+gzip", "application/tlsrpt+json", "application/gzip", "application/json"};
constexpr std::string_view wanted_types = "application/tlsrpt+gzip, application/tlsrpt+json";
constexpr std::chrono::seconds wait_when_busy{60};
constexpr std::chrono::seconds wait_for_store{600};

}  // namespace

// Counted for the wider networks only when the narrower ones let it pass, so that one host cannot use up their share.
bool PostRates::admit(const IpAddress& peer, WallTime now) {
  const WallTime hour = std::chrono::floor<std::chrono::hours>(now);
  for (const access::Rung& rung : access::network_ladder) {
    const Network network{peer.masked(rung.bits(peer)), rung.bits(peer)};
    if (counters_.find(network) == nullptr && counters_.size() >= networks_max) counters_.pop_oldest();
    Counter& counter = counters_.touch(network);
    if (counter.hour != hour) counter = {hour, 0};
    if (counter.count >= per_hour_ * rung.factor) return false;
    ++counter.count;
  }
  return true;
}

class Posts::Post {
 public:
  explicit Post(Posts& posts) : posts_(posts) {}
  Post(const Post&) = delete;
  Post& operator=(const Post&) = delete;
  ~Post() {
    const std::lock_guard lock(posts_.mutex_);
    posts_.octets_ -= body.size();
    if (is_reading_) --posts_.reading_;
  }
  // False: there is too much already.
  [[nodiscard]] bool append(std::string_view octets) {
    {
      const std::lock_guard lock(posts_.mutex_);
      if (octets.size() > octets_held_max - posts_.octets_) return false;
      posts_.octets_ += octets.size();
    }
    body.append(octets);
    return true;
  }
  [[nodiscard]] bool begin_reading() {
    const std::lock_guard lock(posts_.mutex_);
    if (posts_.reading_ >= read_at_once_max) return false;
    ++posts_.reading_;
    return is_reading_ = true;
  }

  std::string body;

 private:
  Posts& posts_;
  bool is_reading_ = false;
};

bool Posts::admit(const IpAddress& peer, WallTime now) {
  const std::lock_guard lock(mutex_);
  return rates_.admit(peer, now);
}

Task<Posts::Reading> Posts::read_body(web::Exchange& exchange, Post& post) {
  for (;;) {
    const auto piece = co_await exchange.read_body(options_.posted_octets_max);
    if (!piece) co_return Reading::gone;
    if (piece->empty()) co_return Reading::done;
    if (!post.append(*piece)) co_return Reading::no_room;
  }
}

Task<Result<reports::TlsReport>> Posts::read_report(Post& post, Context context) {
  reports::Reports found;
  if (services_.workers != nullptr) {
    auto work = [&post] { return reports::read_file(post.body); };
    KM_CO_TRY(found, co_await run_on(*services_.workers, std::move(work), std::move(context)));
  } else {
    found = reports::read_file(post.body);
  }
  if (!found.problems.empty()) co_return fail(ErrorKind::invalid, found.problems.front());
  if (found.tls.size() != 1 || !found.aggregates.empty() || !found.failures.empty()) co_return fail(ErrorKind::invalid, "not one TLS report");
  co_return std::move(found.tls.front());
}

Task<Result<bool>> Posts::is_ours(const reports::TlsReport& report, Context context) {
  for (const reports::TlsPolicyReport& policy : report.policies) {
    KM_CO_TRY(const bool is_local, co_await services_.directory.is_local_domain(policy.domain, context));
    if (!is_local) co_return false;
  }
  co_return true;
}

void Posts::refuse(web::Exchange& exchange, unsigned status, std::string why) const {
  services_.log.event(LogLevel::info, "reports.refused", {{"kind", "tls"}, {"from", exchange.peer().to_string()}, {"status", status}, {"why", why}});
  web::respond_plainly(exchange, status);
}

void Posts::put_off(web::Exchange& exchange, unsigned status, std::chrono::seconds wait) const {
  web::respond_plainly(exchange, status, {{"Retry-After", std::to_string(wait.count())}});
}

Task<void> Posts::answer(web::Exchange& exchange, Context context) {
  const std::string type = http::media_type(exchange.request().fields);
  if (std::ranges::find(media_types, type) == media_types.end()) {
    web::respond_plainly(exchange, 415, {{"Accept", std::string(wanted_types)}});  // RFC 9110 §15.5.16
    co_return;
  }
  const WallTime now = context.executor->wall_now();
  if (!admit(exchange.peer(), now)) {
    put_off(exchange, 429, std::chrono::ceil<std::chrono::seconds>(std::chrono::floor<std::chrono::hours>(now) + std::chrono::hours(1) - now));
    co_return;
  }
  Post post(*this);
  const Reading reading = co_await read_body(exchange, post);
  if (reading == Reading::gone) co_return;  // or has been told that it is too large
  if (reading == Reading::no_room || !post.begin_reading()) {
    put_off(exchange, 503, wait_when_busy);
    co_return;
  }
  auto report = co_await read_report(post, context);
  if (!report) {
    if (report.error().kind() == ErrorKind::invalid) refuse(exchange, 400, report.error().text());
    else put_off(exchange, 503, wait_when_busy);
    co_return;
  }
  const auto ours = co_await is_ours(*report, context);
  if (ours && !*ours) {
    refuse(exchange, 403, "it tells of a domain that is not ours");
    co_return;
  }
  if (!ours) {
    put_off(exchange, 503, wait_for_store);
    co_return;
  }
  const std::string from = exchange.peer().to_string(), domain = report->policies.front().domain;
  Report kept_report = *std::move(report);
  const auto kept = co_await store_.keep(kept_report, from, false, now, context);
  if (!kept && kept.error().kind() == ErrorKind::too_large) {
    refuse(exchange, 413, "too large to be kept");
    co_return;
  }
  if (!kept || *kept == Kept::no_room) {
    services_.log.event(LogLevel::warning, "reports.not_kept", {{"kind", "tls"}, {"from", from}, {"domain", domain},
                                                                {"why", kept ? std::string("too many today") : kept.error().describe()}});
    put_off(exchange, 503, wait_for_store);
    co_return;
  }
  services_.log.event(LogLevel::info, "reports.received", {{"kind", "tls"}, {"from", from}, {"domain", domain}, {"verified", false},
                                                           {"result", *kept == Kept::yes ? "kept" : "there already"}});
  web::respond_plainly(exchange, *kept == Kept::yes ? 201 : 200);
}

}  // namespace keystonemail::reporting
