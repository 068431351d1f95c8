// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/reports/report_store.hpp"

#include <doctest/doctest.h>

#include "keystonemail/backends/memory/kv_store.hpp"
#include "keystonemail/kv/faulty.hpp"
#include "reports/samples.hpp"
#include "support/sim_executor.hpp"

using namespace keystonemail;
using namespace keystonemail::reporting;
using namespace keystonemail::test;

namespace {

const std::chrono::sys_days first_day = std::chrono::year{2026} / 1 / 1;

struct StoreFixture {
  SimExecutor loop;
  std::unique_ptr<kv::Store> kv = memory::make_kv_store({.tables = {"reports"}});
  ReportStore store{*kv, kv::Table{0}};
  const DayOf of{.kind = Kind::dmarc, .day = first_day, .domain = "example.com"};

  Context context() { return Context{&loop}; }
  template <class T>
  T run(Task<Result<T>> task) {
    auto result = loop.run(std::move(task));
    REQUIRE(result.has_value());
    return *std::move(result);
  }
  void run(Task<Result<void>> task) { REQUIRE(loop.run(std::move(task)).has_value()); }
  void count(const DayOf& where, const std::string& what, std::uint64_t times) {
    Batch batch;
    batch[where].about = "about";
    batch[where].rows[what] = times;
    run(store.add(batch, context()));
  }
  Sending begin(const std::string& unique) {
    Sending sending;
    sending.unique = unique;
    sending.end = first_day + std::chrono::hours(24) - std::chrono::seconds(1);
    return run(store.begin(of, std::move(sending), context()));
  }
  Kept keep(const Report& report, bool verified = true, const std::string& from = "reports@receiver.example") {
    return run(store.keep(report, from, verified, at(1'767'400'000), context()));
  }
};

}  // namespace

TEST_CASE("report store: what is alike is counted together, by domain and day") {
  StoreFixture f;
  f.count(f.of, "one", 2);
  f.count(f.of, "one", 3);
  f.count(f.of, "two", 1);
  f.count({.kind = Kind::dmarc, .day = first_day, .domain = "example.co"}, "one", 7);
  f.count({.kind = Kind::tls, .day = first_day, .domain = "example.com"}, "one", 8);
  const Gathered gathered = f.run(f.store.gathered(f.of, f.context()));
  CHECK(gathered.rows == std::map<std::string, std::uint64_t>{{"one", 5}, {"two", 1}});
  CHECK(gathered.about == "about");
  CHECK(f.run(f.store.waiting(f.context())).size() == 3);
}

TEST_CASE("report store: a report that was begun keeps its name, who has it, and its time") {
  StoreFixture f;
  f.count(f.of, "one", 1);
  CHECK(f.begin("first").unique == "first");
  CHECK(f.begin("second").unique == "first");
  f.run(f.store.note_done_now(f.of, "mailto:a@example.com", f.context()));
  const Sending sending = f.begin("third");
  CHECK(sending.done == std::vector<std::string>{"mailto:a@example.com"});
  CHECK(sending.begin == WallTime(first_day));
}

TEST_CASE("report store: what was sent is gone, what came meanwhile stays for a report of its own") {
  StoreFixture f;
  f.count(f.of, "one", 5);
  f.count(f.of, "two", 1);
  (void)f.begin("first");
  const Gathered sent = f.run(f.store.gathered(f.of, f.context()));
  f.count(f.of, "one", 2);
  f.count(f.of, "three", 4);
  f.run(f.store.finish(f.of, sent, f.context()));
  const Gathered left = f.run(f.store.gathered(f.of, f.context()));
  CHECK(left.rows == std::map<std::string, std::uint64_t>{{"one", 2}, {"three", 4}});
  CHECK(left.sending.unique.empty());
  f.run(f.store.finish(f.of, f.run(f.store.gathered(f.of, f.context())), f.context()));
  CHECK(f.run(f.store.waiting(f.context())).size() == 0);
}

TEST_CASE("report store: of a day that is not over, the next report begins where the last one ended") {
  StoreFixture f;
  f.count(f.of, "one", 5);
  Sending sending;
  sending.unique = "first";
  sending.end = first_day + std::chrono::hours(7);
  (void)f.run(f.store.begin(f.of, std::move(sending), f.context()));
  f.run(f.store.finish(f.of, f.run(f.store.gathered(f.of, f.context())), f.context()));
  CHECK(f.run(f.store.waiting(f.context())).empty());
  f.count(f.of, "one", 1);
  CHECK(f.begin("second").begin == WallTime(first_day + std::chrono::hours(7)));
  CHECK(f.run(f.store.gathered(f.of, f.context())).rows.at("one") == 1);
}

TEST_CASE("report store: there is an end to the kinds of one domain; the rest is counted as lost") {
  StoreFixture f;
  Batch batch;
  for (std::uint64_t i = 0; i < limits::rows_per_domain_max + 10; ++i) batch[f.of].rows[std::to_string(i)] = 3;
  f.run(f.store.add(batch, f.context()));
  f.run(f.store.add(batch, f.context()));  // those that are there are counted on
  const Gathered gathered = f.run(f.store.gathered(f.of, f.context()));
  CHECK(gathered.rows.size() == limits::rows_per_domain_max);
  CHECK(gathered.rows.begin()->second == 6);
  CHECK(gathered.lost == 60);
}

TEST_CASE("report store: a store that fails loses nothing that was counted, and doubles nothing") {
  StoreFixture f;
  kv::Faults faults;
  const auto faulty = kv::make_faulty(*f.kv, faults);
  ReportStore store(*faulty, kv::Table{0});
  Batch batch;
  batch[f.of].rows["one"] = 1;
  std::uint64_t counted = 0;
  for (std::uint64_t nth = 1; nth < 30; ++nth) {
    faults.fail_at(nth);
    if (f.loop.run(store.add(batch, f.context()))) ++counted;
    faults.clear();
    f.run(store.add(batch, f.context()));
    ++counted;
    CHECK(f.run(f.store.gathered(f.of, f.context())).rows.at("one") == counted);
  }
}

TEST_CASE("report store: a report that came in is listed and read as it was") {
  StoreFixture f;
  CHECK(f.keep(sample_aggregate()) == Kept::yes);
  CHECK(f.keep(sample_tls()) == Kept::yes);
  CHECK(f.keep(sample_failure()) == Kept::yes);
  const auto all = f.run(f.store.list({}, f.context()));
  REQUIRE(all.size() == 3);
  for (const Received& one : all) {
    const ReceivedReport read = f.run(f.store.read(one.id, f.context()));
    CHECK(read.about.id == one.id);
    CHECK(one.verified);
    CHECK(one.from == "reports@receiver.example");
    CHECK(one.received == at(1'767'400'000));
    if (one.kind == Kind::dmarc) {
      CHECK(std::get<reports::AggregateReport>(read.report) == sample_aggregate());
      CHECK(one.passed == 123);
      CHECK(one.failed == 1);
      CHECK(one.domain == "example.com");
    } else if (one.kind == Kind::tls) {
      CHECK(std::get<reports::TlsReport>(read.report) == sample_tls());
      CHECK(one.passed == 5'327);
      CHECK(one.failed == 303);
    } else {
      CHECK(std::get<reports::FailureReport>(read.report) == sample_failure());
    }
  }
  CHECK(f.run(f.store.list({.domain = "example.com"}, f.context())).size() == 1);
  CHECK(f.run(f.store.list({.domain = "", .since = at(1'767'400'001)}, f.context())).empty());
  CHECK(!f.loop.run(f.store.read("00", f.context())).has_value());
  CHECK(!f.loop.run(f.store.read("zz", f.context())).has_value());
}

TEST_CASE("report store: a report that is there already is dropped, and a forged one takes nobody's place") {
  StoreFixture f;
  auto report = sample_aggregate();
  CHECK(f.keep(report, false, "forger@receiver.example") == Kept::yes);
  CHECK(f.keep(report) == Kept::yes);
  CHECK(f.keep(report) == Kept::duplicate);
  report.records[0].count = 5;  // the same id
  CHECK(f.keep(report) == Kept::duplicate);
  CHECK(f.keep(report, true, "reports@other.example") == Kept::yes);  // which another may have used too
  report.report_id = "another";
  CHECK(f.keep(report) == Kept::yes);
  report.report_id.clear();
  CHECK(f.keep(report) == Kept::yes);
  CHECK(f.keep(report) == Kept::duplicate);
}

TEST_CASE("report store: reports are forgotten in their time, and may then come again") {
  StoreFixture f;
  CHECK(f.keep(sample_aggregate()) == Kept::yes);
  CHECK(f.run(f.store.prune(at(1'767'399'999), f.context())) == 0);
  CHECK(f.run(f.store.prune(at(1'767'400'001), f.context())) == 1);
  CHECK(f.run(f.store.list({}, f.context())).empty());
  CHECK(f.keep(sample_aggregate()) == Kept::yes);
}

TEST_CASE("report store: those that nobody vouches for leave room for those that somebody does") {
  StoreFixture f;
  reports::FailureReport report = sample_failure();
  const auto keep = [&](std::uint64_t number, bool verified) {
    report.mail_from = std::to_string(number);
    return f.run(f.store.keep(report, "192.0.2.1", verified, at(1'767'400'000), f.context()));
  };
  std::uint64_t number = 0;
  while (keep(number, false) == Kept::yes) ++number;
  CHECK(number <= limits::received_per_day_max / 2);
  CHECK(number == limits::unverified_octets_per_day_max / limits::unverified_octets_least);
  CHECK(keep(number, true) == Kept::yes);
}

TEST_CASE("report store: there is an end to the reports of one day") {
  StoreFixture f;
  reports::FailureReport report = sample_failure();
  for (std::uint64_t i = 0; i < limits::received_per_day_max; ++i) {
    report.mail_from = std::to_string(i);
    REQUIRE(f.keep(report) == Kept::yes);
  }
  report.mail_from = "one more";
  CHECK(f.keep(report) == Kept::no_room);
  CHECK(f.run(f.store.keep(report, "a@b.example", true, at(1'767'500'000), f.context())) == Kept::yes);  // the next day
}
