// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// T2: power loss. The store works under the shim, which records its writes and syncs; from that record this builds disk
// states that a power failure could have left, opens the store on each, and compares it with what had been acknowledged.
//
//   power_loss workload DIR SEED                 run under the shim: works, and writes each acknowledgement to DIR/ledger
//   power_loss check TRACE FOLDER STATES SEED    judges that many states, built in FOLDER (a file system in memory)
//
// The last line of check is "states=N lost=N corrupt=N unopenable=N".
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "base/format.hpp"
#include "disk_model.hpp"
#include "durable_store.hpp"

using namespace keystonemail;
using namespace keystonemail::test;

namespace {

constexpr auto account = mailstore::AccountId{1};
constexpr unsigned clients = 8, rounds = 20;

std::string content_of(unsigned token) {
  SeededRandom random(token);
  const std::size_t sizes[] = {300, 300, 1'000, 1'000, 1'000, 4'000, 4'000, 20'000, 20'000, 100'000};
  std::string out = format("Subject: token {}\r\nMessage-ID: <{}@power.test>\r\n\r\n", token, token);
  const std::size_t size = sizes[random.below(std::size(sizes))];
  while (out.size() < size) out += random.hex(36) + "\r\n";
  return out;
}

// The same, made once.
const std::string& known_content_of(unsigned token) {
  static std::map<unsigned, std::string> made;
  auto& content = made[token];
  if (content.empty()) content = content_of(token);
  return content;
}

class Ledger {
 public:
  explicit Ledger(const std::string& directory)
      : file_(::open((directory + "/ledger").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {}
  // One line in one write, so that the record has it whole and in its place.
  void say(std::string_view what, unsigned token) const {
    const std::string line = format("{} {}\n", what, token);
    if (::write(file_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) std::abort();
  }

 private:
  int file_;
};

struct Work {
  DurableStore& store;
  Ledger& ledger;
  mailstore::MailboxId inbox;
  Context context;
};

Task<Result<void>> append(Work& work, unsigned token, mailstore::Uid& uid) {
  auto writer = work.store.mail->create_message();
  if (!writer) co_return std::unexpected(writer.error());
  const std::string content = content_of(token);
  auto written = co_await (*writer)->write(content, work.context);
  if (!written) co_return written;
  auto staged = co_await (*writer)->finish(work.context);
  if (!staged) co_return std::unexpected(staged.error());
  const mailstore::NewMessage message{.message = std::shared_ptr<mailstore::StagedMessage>(std::move(*staged)), .keywords = {}};
  work.ledger.say("adding", token);
  auto appended = co_await work.store.mail->append(account, work.inbox, {&message, 1}, work.context);
  if (!appended) co_return std::unexpected(appended.error());
  work.ledger.say("added", token);
  uid = appended->uids[0];
  co_return {};
}

Task<void> client(Work& work, unsigned number) {
  SeededRandom random(number + 1);
  std::map<unsigned, mailstore::Uid> mine;
  for (unsigned round = 0; round < rounds; ++round) {
    const unsigned token = number * 1'000 + round;
    mailstore::Uid uid = 0;
    if (!co_await append(work, token, uid)) std::abort();
    mine[token] = uid;
    const auto chosen = std::next(mine.begin(), static_cast<std::ptrdiff_t>(random.below(mine.size())));
    const std::vector<mailstore::Uid> uids{chosen->second};
    if (random.below(3) == 0) {
      mailstore::FlagChange change;
      change.keywords.set(mailstore::SystemKeyword::flagged);
      work.ledger.say("flagging", chosen->first);
      if (!co_await work.store.mail->change_flags(account, work.inbox, uids, change, work.context)) std::abort();
      work.ledger.say("flagged", chosen->first);
    } else if (random.below(4) == 0) {
      mailstore::FlagChange change;
      change.deleted = true;
      work.ledger.say("removing", chosen->first);
      if (!co_await work.store.mail->change_flags(account, work.inbox, uids, change, work.context)) std::abort();
      if (!co_await work.store.mail->expunge(account, work.inbox, uids, work.context)) std::abort();
      work.ledger.say("removed", chosen->first);
      mine.erase(chosen);
    }
  }
}

int workload(const std::string& directory, std::uint64_t seed) {
  SeededRandom random(seed);
  RunLoop loop;
  auto store = open_durable_store(directory, loop, random);
  if (!store) return std::cerr << store.error().describe() << '\n', 1;
  if (!loop.run_until(store->mail->create_account(account, {}, {&loop}))) return 1;
  const auto inbox = loop.run_until(store->mail->find_mailbox(account, "INBOX", {&loop}));
  if (!inbox) return 1;
  Ledger ledger(directory);
  ledger.say("ready", 0);
  Work work{*store, ledger, inbox->id, {&loop}};
  std::vector<Task<void>> tasks;
  for (unsigned number = 0; number < clients; ++number) tasks.push_back(client(work, number));
  for (auto& task : tasks) loop.run_until(std::move(task));
  return 0;
}

// What must, may and must not be there, from the ledger up to some point.
struct Expectation {
  bool ready = false;
  std::set<unsigned> present, maybe_added, maybe_removed, flagged, removed;

  void hear(std::string_view line) {
    const auto space = line.find(' ');
    const auto what = line.substr(0, space);
    const auto token = static_cast<unsigned>(std::strtoul(std::string(line.substr(space + 1)).c_str(), nullptr, 10));
    if (what == "ready") ready = true;
    if (what == "adding") maybe_added.insert(token);
    if (what == "added") maybe_added.erase(token), present.insert(token);
    if (what == "flagged") flagged.insert(token);
    if (what == "removing") maybe_removed.insert(token);
    if (what == "removed") maybe_removed.erase(token), present.erase(token), flagged.erase(token), removed.insert(token);
  }
};

struct Tally {
  unsigned long states = 0, lost = 0, corrupt = 0, unopenable = 0;
  std::string first_problem;
  void problem(unsigned long& counter, std::string what) {
    ++counter;
    if (first_problem.empty()) first_problem = std::move(what);
  }
};

void judge_mailbox(DurableStore& store, RunLoop& loop, const Expectation& expected, Tally& tally) {
  const Context context{&loop};
  // Contents are compared below, which reads every blob whole.
  const auto report = loop.run_until(store.mail->verify({.contents = false}, context));
  if (!report || !report->findings.empty()) {
    return tally.problem(tally.corrupt, report ? report->findings.front().what : report.error().describe());
  }
  const auto inbox = loop.run_until(store.mail->find_mailbox(account, "INBOX", context));
  if (!inbox) return tally.problem(tally.lost, "no INBOX: " + inbox.error().describe());
  const auto rows = loop.run_until(store.mail->messages(account, inbox->id, {}, 0, context));
  if (!rows) return tally.problem(tally.corrupt, rows.error().describe());
  std::map<unsigned, const mailstore::MessageRow*> found;
  for (const auto& row : *rows) {
    mailstore::MailStore& mail = *store.mail;
    auto reader = loop.run_until(mail.open(account, row.email, context));
    if (!reader) return tally.problem(tally.corrupt, reader.error().describe());
    std::string content;
    while (content.size() < (*reader)->octets()) {
      const auto piece = loop.run_until((*reader)->read(content.size(), 1 << 20, context));
      if (!piece) return tally.problem(tally.corrupt, piece.error().describe());
      content += *piece;
    }
    const auto token = static_cast<unsigned>(std::strtoul(content.c_str() + sizeof "Subject: token", nullptr, 10));
    if (content != known_content_of(token)) return tally.problem(tally.corrupt, format("message {} is not what was stored", token));
    if (!found.emplace(token, &row).second) return tally.problem(tally.corrupt, format("message {} is there twice", token));
  }
  for (const unsigned token : expected.present) {
    if (!found.contains(token) && !expected.maybe_removed.contains(token)) {
      return tally.problem(tally.lost, format("message {} was acknowledged and is gone", token));
    }
  }
  for (const auto& [token, row] : found) {
    if (!expected.present.contains(token) && !expected.maybe_added.contains(token)) {
      return tally.problem(tally.lost, format("message {} was removed and is back", token));
    }
    if (expected.flagged.contains(token) && !row->keywords.has(mailstore::SystemKeyword::flagged)) {
      return tally.problem(tally.lost, format("message {} has lost its flag", token));
    }
  }
}

void judge(const std::string& folder, const Expectation& expected, Tally& tally) {
  SeededRandom random(1);
  RunLoop loop;
  auto store = open_durable_store(folder, loop, random);
  if (!store) {
    // Before anything was promised an empty or half-made store may need to be made anew.
    if (expected.ready) tally.problem(tally.unopenable, store.error().describe());
    return;
  }
  if (expected.ready) judge_mailbox(*store, loop, expected, tally);
}

// In a process of its own: a damaged file may end it (an assertion of LMDB, a signal), which counts as corrupt.
void judge_apart(const std::string& folder, const Expectation& expected, Tally& tally) {
  ++tally.states;
  for (const auto* tokens : {&expected.present, &expected.maybe_added})
    for (const unsigned token : *tokens) known_content_of(token);
  const pid_t child = ::fork();
  if (child == 0) {
    Tally mine;
    judge(folder, expected, mine);
    if (tally.first_problem.empty() && !mine.first_problem.empty()) std::cout << mine.first_problem << std::endl;
    ::_exit(mine.unopenable > 0 ? 3 : mine.corrupt > 0 ? 2 : mine.lost > 0 ? 1 : 0);
  }
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child) std::abort();
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 2;
  tally.problem(code == 3 ? tally.unopenable : code == 2 ? tally.corrupt : tally.lost, format("state {}", tally.states));
}

int check(const std::string& trace, const std::string& folder, unsigned long states, std::uint64_t seed) {
  const auto records = read_trace(trace);
  if (records.empty()) return std::cerr << "the trace is empty\n", 1;
  SeededRandom random(seed);
  // Every point of the record has its share; what is left over goes to points drawn at random.
  std::vector<unsigned long> at(records.size() + 1, states / (records.size() + 1));
  for (unsigned long i = states % (records.size() + 1); i > 0; --i) ++at[random.below(at.size())];
  DiskModel disk;
  Expectation expected;
  Tally tally;
  for (std::size_t i = 0; i <= records.size(); ++i) {
    for (unsigned long n = 0; n < at[i]; ++n) {
      disk.materialise(folder, random);
      judge_apart(folder, expected, tally);
      if (tally.states % 1'000 == 0) std::cerr << tally.states << " of " << states << " states\n";
    }
    if (i == records.size()) break;
    if (records[i].header.op == TraceOp::mark) {
      std::istringstream lines(records[i].payload);
      for (std::string line; std::getline(lines, line);) expected.hear(line);
    } else {
      disk.apply(records[i]);
    }
  }
  std::filesystem::remove_all(folder);
  if (!tally.first_problem.empty()) std::cout << "first problem: " << tally.first_problem << '\n';
  std::cout << "records=" << records.size() << '\n'
            << "states=" << tally.states << " lost=" << tally.lost << " corrupt=" << tally.corrupt
            << " unopenable=" << tally.unopenable << std::endl;
  return 0;
}

}  // namespace

int main(int count, char** words) {
  const std::vector<std::string> arguments(words + 1, words + count);
  if (arguments.size() == 3 && arguments[0] == "workload") return workload(arguments[1], std::stoull(arguments[2]));
  if (arguments.size() == 5 && arguments[0] == "check") {
    return check(arguments[1], arguments[2], std::stoul(arguments[3]), std::stoull(arguments[4]));
  }
  std::cerr << "usage: power_loss workload DIR SEED | power_loss check TRACE FOLDER STATES SEED\n";
  return 2;
}
