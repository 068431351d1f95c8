// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// B4: every command that names a mailbox, on one's own, on somebody else's, on one that is not there, and before login.
#include <algorithm>

#include "imap/verb_table.hpp"
#include "service/imap/fixture.hpp"

using namespace keystonemail;
using namespace keystonemail::service::imap::testing;
namespace engine = keystonemail::imap;

namespace {

struct Row {
  const char* verb;
  const char* command;  // "%" stands for the mailbox
};

// With message 1 of the inbox selected.
const Row rows[] = {
    {"STATUS", "STATUS % (MESSAGES UIDNEXT UIDVALIDITY HIGHESTMODSEQ)"},
    {"LIST", "LIST \"\" %"},
    {"LIST", "LIST \"\" (%) RETURN (SUBSCRIBED STATUS (MESSAGES))"},
    {"LIST", "LIST (SUBSCRIBED RECURSIVEMATCH) \"\" %"},
    {"LIST", "LIST % *"},
    {"LSUB", "LSUB \"\" %"},
    {"SUBSCRIBE", "SUBSCRIBE %"},
    {"UNSUBSCRIBE", "UNSUBSCRIBE %"},
    {"APPEND", "APPEND % {2+}\r\nhi"},
    {"APPEND", "APPEND % (\\Seen) {2+}\r\nhi {2+}\r\nyo"},
    {"COPY", "COPY 1 %"},
    {"COPY", "UID COPY 1:* %"},
    {"GETQUOTAROOT", "GETQUOTAROOT %"},
    {"RENAME", "RENAME % %-moved"},
    {"RENAME", "RENAME % %-moved/below"},
    {"DELETE", "DELETE %"},
    {"MOVE", "MOVE 1 %"},
    {"MOVE", "UID MOVE 1:* %"},
    {"EXAMINE", "EXAMINE %"},
    {"EXAMINE", "EXAMINE % (QRESYNC (1767225605 1))"},
    {"SELECT", "SELECT % (CONDSTORE)"},
    {"SELECT", "SELECT %"},
};

// Commands that name no mailbox, and CREATE, whose name is always one's own.
constexpr std::string_view without_mailbox[] = {
    "FETCH", "STORE", "SEARCH", "EXPUNGE", "NOOP", "IDLE", "NAMESPACE", "ENABLE", "CLOSE", "UNSELECT", "CHECK", "ID", "CAPABILITY",
    "LOGOUT", "LOGIN", "AUTHENTICATE", "STARTTLS", "COMPRESS", "SORT", "THREAD", "GETQUOTA", "CREATE"};

std::string on(const Row& row, std::string_view mailbox) {
  std::string line = "x ";
  for (const char c : std::string_view(row.command)) {
    if (c == '%') line += mailbox;
    else line += c;
  }
  return line + "\r\n";
}

// Names of the same length, so that nothing but the mailbox makes a difference; what is echoed is made the same.
constexpr std::string_view theirs = "private", nobodys = "nothing";

std::string without_name(std::string reply, std::string_view name) {
  for (std::size_t at = 0; (at = reply.find(name, at)) != std::string::npos;) reply.replace(at, name.size(), "MAILBOX");
  return reply;
}

struct Matrix : ImapFixture {
  ImapFixture::Client& client(const std::string& user, const std::string& password) {
    auto& made = connect();
    (void)made.heard();
    if (!user.empty()) made.log_in(user, password);
    return made;
  }
  ImapFixture::Client& alice() { return client("alice@example.test", "secret of alice"); }
  ImapFixture::Client& bob() {
    auto& made = client("bob@example.test", "secret of bob");
    (void)made.append("Subject: x\r\n\r\nx\r\n");
    (void)made.say("e ENABLE QRESYNC\r\n");
    return made.select();
  }
  // What it says to this, and then the session is over: there may be only so many at once.
  static std::string once(ImapFixture::Client& from, const std::string& line) {
    std::string said = from.say(line);
    from.finish();
    return said;
  }
};

}  // namespace

TEST_CASE_FIXTURE(Matrix, "B4: every command is in the matrix of rights, or names no mailbox") {
  for (const auto& entry : engine::verbs) {
    CAPTURE(entry.name);
    const bool in_matrix = std::ranges::any_of(rows, [&](const Row& row) { return row.verb == entry.name; });
    const bool exempt = std::ranges::find(without_mailbox, entry.name) != std::end(without_mailbox);
    CHECK(in_matrix != exempt);
  }
}

TEST_CASE_FIXTURE(Matrix, "B4: on somebody else's mailbox every command does what it does on none") {
  auto& owner = alice();
  (void)owner.say("1 CREATE private\r\n");
  (void)owner.say("2 APPEND private {2+}\r\nhi\r\n");
  const std::string before = owner.say("3 STATUS private (MESSAGES UIDNEXT UNSEEN HIGHESTMODSEQ)\r\n") + owner.say("4 LIST \"\" *\r\n");
  for (const Row& row : rows) {
    CAPTURE(row.command);
    // Each on a session and an inbox of its own, as some of them change the state.
    const std::string on_theirs = without_name(once(bob(), on(row, theirs)), theirs);
    const std::string on_nobodys = without_name(once(bob(), on(row, nobodys)), nobodys);
    CHECK(on_theirs == on_nobodys);
    const bool listing = std::string_view(row.verb) == "LIST" || std::string_view(row.verb) == "LSUB";
    CHECK(has(on_theirs, listing ? "x OK" : "x NO"));
    CHECK_FALSE(has(on_theirs, "* LIST"));
  }
  CHECK(owner.say("3 STATUS private (MESSAGES UIDNEXT UNSEEN HIGHESTMODSEQ)\r\n") + owner.say("4 LIST \"\" *\r\n") == before);
}

TEST_CASE_FIXTURE(Matrix, "B4: the owner may do all of it, nobody any of it before login") {
  for (const Row& row : rows) {
    CAPTURE(row.command);
    auto& owner = alice();
    (void)owner.append("Subject: x\r\n\r\nx\r\n");
    (void)owner.say("1 CREATE mine\r\n");
    (void)owner.say("2 ENABLE QRESYNC\r\n");
    owner.select();
    const std::string said = once(owner, on(row, "mine"));
    // A mailbox cannot be moved below itself.
    CHECK_MESSAGE((has(said, "x OK") || has(row.command, "below")), said);
    auto& stranger = client("", "");
    const std::string refused = once(stranger, on(row, "mine"));
    CHECK_MESSAGE(has(refused, "x BAD"), refused);
  }
}
