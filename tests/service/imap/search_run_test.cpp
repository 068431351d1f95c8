// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Random mailboxes and random trees of keys, against an evaluator that knows what each message says because it wrote it.
#include "service/imap/search_run.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "keystonemail/codec/base64.hpp"
#include "keystonemail/codec/case_fold.hpp"
#include "keystonemail/codec/quoted_printable.hpp"
#include "keystonemail/mime/summary.hpp"
#include "service/imap/fake_store.hpp"
#include "support/sanitized.hpp"

using namespace keystonemail;
using namespace keystonemail::service::imap;
using testing::FakeStore;
namespace chrono = std::chrono;

namespace {

constexpr mailstore::AccountId search_account{1};

// What the naive evaluator knows of a message.
struct Known {
  mailstore::MessageRow row;
  std::string subject, from, to, body, attachment_header;
  std::optional<chrono::sys_days> sent;
};

std::string lower(std::string_view text) { return codec::fold_case(text); }
bool has_folded(std::string_view text, std::string_view folded) { return lower(text).find(folded) != std::string::npos; }

struct SearchFixture {
  RunLoop loop;
  Context context{&loop};
  FakeStore store{loop, [](std::string_view message) { return mime::encode_summary(mime::Message::parse(message)); }};
  MailboxView view;
  std::vector<Known> known;
  std::mt19937 random{42};

  SearchFixture() {
    REQUIRE(loop.run_until(store.create_account(search_account, {}, context)));
    view.id = loop.run_until(store.find_mailbox(search_account, "INBOX", context))->id;
  }
  template <class T>
  const T& pick(const std::vector<T>& from) { return from[random() % from.size()]; }

  void add(Known message, const std::string& raw) {
    auto writer = *store.create_message();
    REQUIRE(loop.run_until(writer->write(raw, context)));
    auto staged = *loop.run_until(writer->finish(context));
    mailstore::NewMessage fresh{std::move(staged), message.row.keywords, message.row.deleted, message.row.received};
    const auto added = loop.run_until(store.append(search_account, view.id, {&fresh, 1}, context));
    const auto rows = loop.run_until(store.messages(search_account, view.id, {added->uids[0], added->uids[0]}, 0, context));
    message.row = rows->at(0);
    known.push_back(std::move(message));
  }
  void add_random() {
    static const std::vector<std::string> words{"apple", "Banana", "cherry", "Überraschung", "отпуск", "delta", "echo"};
    Known k;
    k.subject = pick(words) + " " + pick(words);
    k.from = pick(std::vector<std::string>{"alice", "bob", "carol"});
    k.to = pick(std::vector<std::string>{"dave", "erin"});
    k.body = pick(words) + " and " + pick(words) + " again";
    const auto day = chrono::sys_days(chrono::year(2024) / 1 / 1) + chrono::days(random() % 10);
    if (random() % 4 != 0) k.sent = day;
    k.row.received = day + chrono::hours(random() % 24);
    k.row.deleted = random() % 3 == 0;
    k.row.keywords.set_system_bits(static_cast<std::uint8_t>(random() % 16));
    if (random() % 2 != 0) k.row.keywords.add(static_cast<mailstore::KeywordNumber>(random() % 3));
    const std::string raw = raw_of(k);  // before k is copied: it notes the attachment there
    add(std::move(k), raw);
  }
  std::string raw_of(Known& k) {
    std::string raw = "From: " + k.from + " <" + k.from + "@example.com>\r\nTo: " + k.to + "@example.org\r\n";
    raw += "Subject: =?utf-8?B?" + codec::encode_base64(k.subject) + "?=\r\n";
    if (k.sent) {
      const chrono::year_month_day date(*k.sent);
      raw += "Date: " + std::to_string(static_cast<unsigned>(date.day())) + " Jan 2024 23:30:00 -0800\r\n";
    }
    const std::string qp = codec::encode_quoted_printable(k.body);
    const std::string b64 = codec::encode_base64(k.body);
    if (random() % 2 != 0) {
      return raw + "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n" + qp;
    }
    k.attachment_header = "X-Secret: parted";
    return raw + "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n"
                 "Content-Transfer-Encoding: base64\r\nX-Secret: parted\r\n\r\n" + b64 +
           "\r\n--b\r\nContent-Type: application/octet-stream\r\n\r\nzebra\r\n--b--\r\n";
  }

  std::vector<Sequence> run(const SearchProgram& program, bool first_only = false) {
    REQUIRE(loop.run_until(load(store, search_account, view, context)));
    auto found = loop.run_until(run_search(store, search_account, view, program, {loop.wall_now(), false, first_only}, context));
    REQUIRE(found);
    return found->sequences;
  }
  std::vector<Sequence> run(Leaf leaf) {
    SearchProgram program;
    program.leaf(std::move(leaf));
    return run(program);
  }
};

bool naive(const Leaf& leaf, Sequence sequence, const Known& k) {
  const auto in = [&](std::uint32_t n) {
    return std::ranges::any_of(leaf.set, [&](const UidRange& r) { return r.first <= n && n <= r.last; });
  };
  const auto day = chrono::floor<chrono::days>(k.row.received);
  switch (leaf.test) {
    case Test::always: return true;
    case Test::sequence_in: return in(sequence);
    case Test::uid_in: return in(k.row.uid);
    case Test::system_keyword: return (k.row.keywords.system_bits() & leaf.number) != 0;
    case Test::deleted: return k.row.deleted;
    case Test::keyword: return k.row.keywords.has(static_cast<mailstore::KeywordNumber>(leaf.number));
    case Test::received_before: return day < leaf.day;
    case Test::received_on: return day == leaf.day;
    case Test::received_since: return day >= leaf.day;
    case Test::larger: return k.row.octets > leaf.number;
    case Test::smaller: return k.row.octets < leaf.number;
    case Test::modified: return k.row.modseq >= leaf.number;
    case Test::sent_before: return k.sent && *k.sent < leaf.day;
    case Test::sent_on: return k.sent && *k.sent == leaf.day;
    case Test::sent_since: return k.sent && *k.sent >= leaf.day;
    case Test::subject: return has_folded(k.subject, leaf.needle);
    case Test::from: return has_folded(k.from + " <" + k.from + "@example.com>", leaf.needle);
    case Test::to: return has_folded("<" + k.to + "@example.org>", leaf.needle);
    case Test::header: return iequals(leaf.field, "subject") ? has_folded(k.subject, leaf.needle) : k.sent.has_value();
    case Test::body: return has_folded(k.body, leaf.needle);
    case Test::text:
      return has_folded(k.body, leaf.needle) || has_folded(k.subject, leaf.needle) || has_folded(k.from + "@example.com", leaf.needle) ||
             has_folded(k.to + "@example.org", leaf.needle) || has_folded(k.attachment_header, leaf.needle);
    default: FAIL("not generated"); return false;
  }
}

struct Tree {
  std::optional<Leaf> leaf;
  Combine combine = Combine::all_of;
  std::vector<Tree> inside = {};

  void build(SearchProgram& program) const {
    if (leaf) return program.leaf(*leaf);
    program.open(combine);
    for (const Tree& tree : inside) tree.build(program);
    program.close();
  }
  bool matches(Sequence sequence, const Known& k) const {
    if (leaf) return naive(*leaf, sequence, k);
    const auto one = [&](const Tree& t) { return t.matches(sequence, k); };
    if (combine == Combine::all_of) return std::ranges::all_of(inside, one);
    return std::ranges::any_of(inside, one) == (combine == Combine::any_of);
  }
};

Leaf random_leaf(SearchFixture& f) {
  static const std::vector<Test> tests{
      Test::always, Test::sequence_in, Test::uid_in, Test::system_keyword, Test::deleted, Test::keyword,
      Test::received_before, Test::received_on, Test::received_since, Test::larger, Test::smaller, Test::modified,
      Test::sent_before, Test::sent_on, Test::sent_since, Test::subject, Test::from, Test::to, Test::header, Test::body,
      Test::text};
  static const std::vector<std::string> needles{"apple", "BANANA", "ÜBER", "отп", "n", "example", "parted", "zebra", "and "};
  Leaf leaf;
  leaf.test = f.pick(tests);
  leaf.day = chrono::sys_days(chrono::year(2024) / 1 / 1) + chrono::days(f.random() % 10);
  leaf.needle = lower(f.pick(needles));
  leaf.field = f.random() % 2 != 0 ? "Subject" : "date";
  if (iequals(leaf.field, "date")) leaf.needle = leaf.test == Test::header ? "" : leaf.needle;
  const auto n = static_cast<std::uint32_t>(f.random() % 40 + 1);
  leaf.set = {{n, n + 5}, {n + 9, n + 9}};
  leaf.number = leaf.test == Test::keyword ? f.random() % 4
                : leaf.test == Test::system_keyword ? 1 << f.random() % 4
                : leaf.test == Test::modified ? f.random() % 60
                                              : 200 + f.random() % 400;
  return leaf;
}

Tree random_tree(SearchFixture& f, int depth) {
  if (depth == 0 || f.random() % 3 == 0) return {random_leaf(f)};
  Tree tree{std::nullopt, static_cast<Combine>(f.random() % 3)};
  const std::size_t count = tree.combine == Combine::none_of ? 1 : f.random() % 4;
  for (std::size_t i = 0; i < count; ++i) tree.inside.push_back(random_tree(f, depth - 1));
  return tree;
}

}  // namespace

TEST_CASE_FIXTURE(SearchFixture, "search: random trees find what the naive evaluator finds") {
  for (int i = 0; i < 50; ++i) add_random();
  for (int round = 0; round < (test::sanitized ? 100 : 1500); ++round) {
    const Tree tree = random_tree(*this, 4);
    SearchProgram program;
    tree.build(program);
    std::vector<Sequence> expected;
    for (Sequence s = 1; s <= known.size(); ++s) {
      if (tree.matches(s, known[s - 1])) expected.push_back(s);
    }
    CAPTURE(round);
    REQUIRE(run(program) == expected);
    if (!expected.empty()) {
      const auto first = run(program, true);
      REQUIRE(!first.empty());
      REQUIRE(first.front() == expected.front());
    }
  }
}

TEST_CASE_FIXTURE(SearchFixture, "search: what the view settles reads no rows, and what rows settle opens no message") {
  for (int i = 0; i < 20; ++i) add_random();
  CHECK(run(Leaf{Test::uid_in, 0, {}, {{3, 4}}}).size() == 2);
  const std::size_t before = store.calls;
  (void)run(Leaf{Test::always});
  CHECK(store.calls - before == 1);  // to load the view; none to search
  SearchProgram program;             // SEEN TEXT x: text is asked only of what is seen
  program.leaf({Test::uid_in, 0, {}, {{5, 5}}});
  program.leaf({Test::text, 0, {}, {}, {}, "nothing has this"});
  const std::size_t start = store.calls;
  CHECK(run(program).empty());
  CHECK(store.calls - start == 1 + 3);  // the view, rows, summaries, one message
}

TEST_CASE_FIXTURE(SearchFixture, "search: a needle is found across the pieces a body is read in") {
  for (std::size_t at : {65'536U, 262'138U, 262'142U, 262'144U, 524'286U}) {
    Known k;
    add(k, "Subject: x\r\n\r\n" + std::string(at - 14, 'a') + "needle" + std::string(5000, 'b'));
  }
  CHECK(run(Leaf{Test::body, 0, {}, {}, {}, lower("needle")}).size() == 5);
  CHECK(run(Leaf{Test::body, 0, {}, {}, {}, lower("aneedleb")}).size() == 5);
  CHECK(run(Leaf{Test::body, 0, {}, {}, {}, lower("needles")}).empty());
}

TEST_CASE_FIXTURE(SearchFixture, "search: keys for one field are answered together, each for itself") {
  Known k;
  add(k, "X-A: one\r\nx-b: two\r\nX-A: =?utf-8?q?Gr=C3=BCn?=\r\nX-Empty:\r\n\r\n");
  const auto found = [&](std::string name, std::string_view needle) {
    return !run(Leaf{Test::header, 0, {}, {}, std::move(name), lower(needle)}).empty();
  };
  CHECK(found("X-A", "one"));
  CHECK(found("x-a", "GRÜN"));
  CHECK_FALSE(found("X-A", "two"));
  CHECK(found("X-B", ""));
  CHECK(found("X-Empty", ""));
  CHECK_FALSE(found("X-C", ""));
  SearchProgram program;
  for (const auto& [name, needle] : {std::pair{"X-A", "one"}, {"X-A", "grün"}, {"X-B", "two"}, {"X-A", ""}}) {
    program.leaf({Test::header, 0, {}, {}, name, lower(needle)});
  }
  CHECK(run(program).size() == 1);
}

TEST_CASE_FIXTURE(SearchFixture, "B8: others keep their turn while many keys are looked for in many fields and words") {
  std::string raw;
  for (int i = 0; i < 20'000; ++i) raw += "a: b\r\n";
  Known k;
  add(k, raw + "\r\n" + std::string(1 << 20, 'c'));
  for (const Test test : {Test::header, Test::text}) {
    SearchProgram program;
    program.open(Combine::none_of);
    for (int i = 0; i < 500; ++i) program.leaf({test, 0, {}, {}, "a", "q" + std::to_string(i)});
    program.close();
    REQUIRE(loop.run_until(load(store, search_account, view, context)));
    bool over = false;
    std::size_t turns = 0;
    const auto count = [&]() -> Task<void> {
      while (!over) {
        co_await yield(loop);
        ++turns;
      }
    };
    auto counting = count();
    const auto found = loop.run_until(run_search(store, search_account, view, program, {}, context));
    over = true;
    loop.run_until(std::move(counting));
    REQUIRE(found);
    CHECK(found->sequences.size() == 1);
    CHECK(turns > 50);
  }
}

TEST_CASE_FIXTURE(SearchFixture, "B8: a tree of a hundred thousand terms over many messages ends with too_large") {
  for (int i = 0; i < (test::sanitized ? 200 : 3000); ++i) {
    Known k;
    add(k, "Subject: x\r\n\r\n");
  }
  SearchProgram program;
  program.open(Combine::any_of);
  for (int i = 0; i < 100'000; ++i) program.leaf({Test::keyword, 77});
  program.close();
  REQUIRE(loop.run_until(load(store, search_account, view, context)));
  SearchOptions options;
  if (test::sanitized) options.steps_max /= 200;  // a second's work takes minutes there
  const auto found = loop.run_until(run_search(store, search_account, view, program, options, context));
  REQUIRE(!found);
  CHECK(found.error().kind() == ErrorKind::too_large);
}
