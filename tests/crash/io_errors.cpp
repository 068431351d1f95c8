// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// T3: a session with the store whose file work is made to fail by the shim (io_shim.cpp), and what must hold afterwards.
//
//   io_errors session DIR    run under the shim: does each step whether or not those before it failed, and writes
//                            "trying WHAT TOKEN" before and "done WHAT TOKEN" after each that succeeded to DIR/ledger
//   io_errors check DIR      without the shim: opens the store again and compares it with the ledger
//
// check ends with 0 when all that was acknowledged is there, whole and once, and nothing was acknowledged between a
// failed sync and the next opening of the data file. Otherwise it says what is wrong.
#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/format.hpp"
#include "durable_store.hpp"

using namespace keystonemail;
using namespace keystonemail::test;

namespace {

constexpr auto account = mailstore::AccountId{1};
constexpr std::uint64_t segment_octets_max = 256U << 10;  // so that the session begins several

// A token's first letter says how large its message is.
std::string content_of(const std::string& token) {
  SeededRandom random(token.back());
  const std::size_t size = token[0] == 'L' ? 200'000 : token[0] == 'H' ? 2'500'000 : token[0] == 'M' ? 9'000 : 300;
  std::string out = format("Subject: {}\r\nMessage-ID: <{}@io.test>\r\n\r\n", token, token);
  while (out.size() < size) out += random.hex(36) + "\r\n";
  return out;
}

class Session {
 public:
  explicit Session(std::string directory)
      : directory_(std::move(directory)),
        ledger_(::open((directory_ + "/ledger").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {}

  void run() {
    if (!open()) return;
    attempt("account", "1", [&] { return store_.mail->create_account(account, {}, context()); });
    for (const char* token : {"S1", "S2", "M3", "L4", "L5"}) append(token);
    flag("S1");
    flag("L4");
    copy("L4");
    copy("S2");
    deliver("S6");
    deliver("L7");
    expunge("S2");
    expunge("L5");
    append("H8");
    close();
    if (!open()) return;
    append("L9");
    flag("M3");
    deliver("MA");
    expunge("L4");
    append("SB");
    close();
  }

 private:
  [[nodiscard]] Context context() { return {&loop_}; }

  // A program that was refused once is started again.
  bool open() {
    for (int attempts = 0; attempts < 2; ++attempts) {
      auto opened = open_durable_store(directory_, loop_, random_, segment_octets_max);
      if (!opened) continue;
      store_ = *std::move(opened);
      return true;
    }
    return false;
  }
  void close() { store_ = {}; }

  void say(std::string_view word, std::string_view what, std::string_view token) const {
    const std::string line = format("{} {} {}\n", word, what, token);
    if (::write(ledger_, line.data(), line.size()) != static_cast<ssize_t>(line.size())) std::abort();
  }
  template <class Step>
  bool attempt(std::string_view what, std::string_view token, Step step) {
    say("trying", what, token);
    const auto result = loop_.run_until(step());
    if (result) say("done", what, token);
    return result.has_value();
  }

  mailstore::MailboxId mailbox(std::string_view path) {
    const auto found = loop_.run_until(store_.mail->find_mailbox(account, path, context()));
    return found ? found->id : mailstore::MailboxId{};
  }
  std::shared_ptr<mailstore::StagedMessage> stage(const std::string& token) {
    auto writer = store_.mail->create_message();
    if (!writer || !loop_.run_until((*writer)->write(content_of(token), context()))) return nullptr;
    auto staged = loop_.run_until((*writer)->finish(context()));
    return staged ? std::shared_ptr<mailstore::StagedMessage>(*std::move(staged)) : nullptr;
  }

  void append(const std::string& token) {
    const mailstore::NewMessage message{.message = stage(token), .keywords = {}};
    if (message.message == nullptr) return;
    say("trying", "append", token);
    const auto appended = loop_.run_until(store_.mail->append(account, mailbox("INBOX"), {&message, 1}, context()));
    if (!appended) return;
    say("done", "append", token);
    uids_[token] = appended->uids[0];
  }
  void flag(const std::string& token) {
    mailstore::FlagChange change;
    change.keywords.set(mailstore::SystemKeyword::flagged);
    const std::vector<mailstore::Uid> uids{uids_[token]};
    if (uids[0] == 0) return;
    attempt("flag", token, [&] { return store_.mail->change_flags(account, mailbox("INBOX"), uids, change, context()); });
  }
  void copy(const std::string& token) {
    const std::vector<mailstore::Uid> uids{uids_[token]};
    if (uids[0] == 0) return;
    attempt("copy", token, [&] { return store_.mail->copy(account, mailbox("INBOX"), uids, mailbox("Archive"), context()); });
  }
  void expunge(const std::string& token) {
    const std::vector<mailstore::Uid> uids{uids_[token]};
    if (uids[0] == 0) return;
    mailstore::FlagChange change;
    change.deleted = true;
    if (!loop_.run_until(store_.mail->change_flags(account, mailbox("INBOX"), uids, change, context()))) return;
    attempt("expunge", token, [&] { return store_.mail->expunge(account, mailbox("INBOX"), uids, context()); });
  }
  void deliver(const std::string& token) {
    delivery::Submission submission;
    submission.message = stage(token);
    if (submission.message == nullptr) return;
    delivery::LocalRecipient recipient;
    recipient.account = account;
    submission.local.push_back(std::move(recipient));
    submission.remote.emplace();
    submission.remote->message_id = token;
    submission.remote->recipients.resize(1);
    submission.remote->recipients[0].address = "x@elsewhere.test";
    attempt("deliver", token, [&] { return store_.delivery->deliver(std::move(submission), context()); });
  }

  std::string directory_;
  int ledger_;
  SeededRandom random_{7};
  RunLoop loop_;
  DurableStore store_;
  std::map<std::string, mailstore::Uid> uids_;
};

struct Ledger {
  std::map<std::string, std::set<std::string>> tried, done;  // what to tokens
  std::vector<std::string> problems;

  explicit Ledger(const std::string& file) {
    std::ifstream in(file);
    std::string failed_sync;
    for (std::string word, what, token; in >> word >> what;) {
      if (word == "sync-failed") failed_sync = what;
      if (word == "opened") failed_sync.clear();
      if (word != "trying" && word != "done") continue;
      in >> token;
      (word == "done" ? done : tried)[what].insert(token);
      if (word == "done" && !failed_sync.empty())
        problems.push_back(format("{} {} was acknowledged after the sync of {} had failed", what, token, failed_sync));
    }
  }
  bool was_tried(const char* what, const std::string& token) { return tried[what].contains(token); }
  bool was_done(const char* what, const std::string& token) { return done[what].contains(token); }
};

class Check {
 public:
  explicit Check(const std::string& directory) : ledger_(directory + "/ledger") {}
  void run(const std::string& directory) {
    auto opened = open_durable_store(directory, loop_, random_, segment_octets_max);
    if (!opened) return problem("it does not open: " + opened.error().describe());
    store_ = *std::move(opened);
    const auto report = loop_.run_until(store_.mail->verify({}, context()));
    if (!report) return problem("verify: " + report.error().describe());
    for (const auto& finding : report->findings) problem("verify: " + finding.what);
    const auto queue_findings = loop_.run_until(store_.queue->verify(context()));
    if (!queue_findings) return problem("verify of the queue: " + queue_findings.error().describe());
    for (const auto& finding : *queue_findings) problem("verify of the queue: " + finding.what);
    if (!loop_.run_until(store_.mail->account(account, context()))) {
      if (ledger_.was_done("account", "1")) problem("the account was acknowledged and is gone");
      return;
    }
    compare();
  }
  int finish() const {
    for (const auto& what : ledger_.problems) std::cout << what << '\n';
    return ledger_.problems.empty() ? 0 : 1;
  }

 private:
  struct Message {
    bool flagged = false;
  };
  [[nodiscard]] Context context() { return {&loop_}; }
  void problem(std::string what) { ledger_.problems.push_back(std::move(what)); }

  std::string read(mailstore::MessageReader& reader) {
    std::string content;
    while (content.size() < reader.octets()) {
      const auto piece = loop_.run_until(reader.read(content.size(), 1 << 20, context()));
      if (!piece || piece->empty()) break;
      content += *piece;
    }
    return content;
  }
  std::string token_of(const std::string& content, std::string_view where) {
    constexpr std::size_t at = sizeof "Subject: " - 1;
    const std::string token = content.size() < at + 2 ? std::string() : content.substr(at, 2);
    if (token.empty() || content != content_of(token)) problem(format("a message in {} is not what was stored", where));
    return token;
  }
  std::map<std::string, Message> messages_of(std::string_view path) {
    std::map<std::string, Message> found;
    const auto mailbox = loop_.run_until(store_.mail->find_mailbox(account, path, context()));
    if (!mailbox) return problem(format("{} is gone", path)), found;
    const auto rows = loop_.run_until(store_.mail->messages(account, mailbox->id, {}, 0, context()));
    if (!rows) return problem("messages: " + rows.error().describe()), found;
    mailstore::MailStore& mail = *store_.mail;
    for (const auto& row : *rows) {
      auto reader = loop_.run_until(mail.open(account, row.email, context()));
      if (!reader) {
        problem("open: " + reader.error().describe());
        continue;
      }
      const std::string token = token_of(read(**reader), path);
      if (!found.emplace(token, Message{row.keywords.has(mailstore::SystemKeyword::flagged)}).second)
        problem(format("{} is in {} twice", token, path));
    }
    return found;
  }

  void compare() {
    const auto inbox = messages_of("INBOX"), archive = messages_of("Archive");
    for (const char* what : {"append", "deliver"}) {
      for (const auto& token : ledger_.done[what])
        if (!inbox.contains(token) && !ledger_.was_tried("expunge", token)) problem(format("{} {} is gone", what, token));
    }
    for (const auto& token : ledger_.done["copy"])
      if (!archive.contains(token)) problem("copy " + token + " is gone");
    for (const auto& [token, message] : archive)
      if (!ledger_.was_tried("copy", token)) problem(token + " is in Archive and was never copied");
    for (const auto& [token, message] : inbox) {
      if (!ledger_.was_tried("append", token) && !ledger_.was_tried("deliver", token)) problem(token + " was never tried");
      if (ledger_.was_done("expunge", token)) problem(token + " was expunged and is back");
      if (ledger_.was_done("flag", token) && !message.flagged) problem(token + " has lost its flag");
      if (!ledger_.was_tried("flag", token) && message.flagged) problem(token + " has a flag that nobody set");
    }
    compare_queue(inbox);
  }
  // A delivery is in the mailbox and in the queue, or in neither.
  void compare_queue(const std::map<std::string, Message>& inbox) {
    const auto entries = loop_.run_until(store_.queue->list({}, 100, context()));
    if (!entries) return problem("queue: " + entries.error().describe());
    std::set<std::string> queued;
    for (const auto& entry : *entries) {
      auto reader = loop_.run_until(store_.queue->open(entry.id, context()));
      if (!reader) problem("queue: " + reader.error().describe());
      else if (token_of(read(**reader), "the queue") != entry.message_id) problem("the queue has another message");
      if (!queued.insert(entry.message_id).second) problem(entry.message_id + " is queued twice");
    }
    for (const auto& token : ledger_.tried["deliver"]) {
      if (ledger_.was_done("deliver", token) && !queued.contains(token)) problem(token + " is not in the queue");
      if (queued.contains(token) != inbox.contains(token)) problem(token + " is in one of mailbox and queue");
    }
  }

  Ledger ledger_;
  SeededRandom random_{8};
  RunLoop loop_;
  DurableStore store_;
};

}  // namespace

int main(int count, char** words) {
  const std::vector<std::string> arguments(words + 1, words + count);
  if (arguments.size() == 2 && arguments[0] == "session") return Session(arguments[1]).run(), 0;
  if (arguments.size() == 2 && arguments[0] == "check") {
    Check check(arguments[1]);
    check.run(arguments[1]);
    return check.finish();
  }
  std::cerr << "usage: io_errors session DIR | io_errors check DIR\n";
  return 2;
}
