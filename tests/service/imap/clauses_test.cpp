// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What RFC 9051 (RFC 3501 where it differs) and the extensions announced say that a server must, must not or should, clause
// by clause, each shown by a dialogue; then what well-known clients send. Whole dialogues with every line of every answer are
// in conformance_test.cpp, two sessions on one mailbox in sharing_test.cpp, logins in robustness_test.cpp and tls_test.cpp,
// sections of messages in command/fetch_test.cpp, SORT, THREAD and COMPRESS in command/sort_test.cpp.
//
// A script has a letter in front of each line. "C:" is sent by alice's first session, "D:" by her second, "N:" by one that is
// not logged in. "S:" is a line of the answer, "H:" one that the first session gets without having sent anything. All lines
// must be there and no others, but "..." stands for any number of them, and "~" in a line for any text.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "service/imap/fixture.hpp"

using namespace keystonemail;
using namespace keystonemail::service::imap;
using namespace keystonemail::service::imap::testing;

namespace {

struct Clause {
  const char* claim;
  std::string_view before;   // lines of the first session, answered as they are
  std::string_view script;
};

bool line_matches(std::string_view pattern, std::string_view line) {
  const auto wild = pattern.find('~');
  if (wild == std::string_view::npos) return pattern == line;
  if (line.substr(0, wild) != pattern.substr(0, wild)) return false;
  const auto rest = pattern.substr(wild + 1);
  for (std::size_t at = wild; at <= line.size(); ++at) {
    if (line_matches(rest, line.substr(at))) return true;
  }
  return false;
}

using Lines = std::span<const std::string_view>;

bool lines_match(Lines patterns, Lines lines) {
  if (patterns.empty()) return lines.empty();
  if (patterns.front() != "...") {
    return !lines.empty() && line_matches(patterns.front(), lines.front()) && lines_match(patterns.subspan(1), lines.subspan(1));
  }
  for (std::size_t skipped = 0; skipped <= lines.size(); ++skipped) {
    if (lines_match(patterns.subspan(1), lines.subspan(skipped))) return true;
  }
  return false;
}

std::vector<std::string_view> split(std::string_view text, std::string_view end) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto at = text.find(end);
    lines.push_back(text.substr(0, at));
    text.remove_prefix(at == std::string_view::npos ? text.size() : at + end.size());
  }
  return lines;
}

class Dialogue {
 public:
  explicit Dialogue(const Clause& row) : row_(row) {
    for (const auto line : split(row.before, "\n")) before_ += std::string(line) + "\r\n";
    (void)client('C').say(before_);
  }

  void play() {
    auto lines = split(row_.script, "\n");
    std::span<const std::string_view> rest(lines);
    while (!rest.empty()) {
      const char who = rest.front().front();
      std::string said;
      for (; !rest.empty() && rest.front().front() == who && who != 'H'; rest = rest.subspan(1)) said.append(rest.front().substr(3)) += "\r\n";
      std::vector<std::string_view> expected;
      const char mark = who == 'H' ? 'H' : 'S';
      for (; !rest.empty() && rest.front().front() == mark; rest = rest.subspan(1)) expected.push_back(rest.front().substr(3));
      const std::string answer = who == 'H' ? client('C').heard() : client(who).say(said);
      CHECK_MESSAGE(lines_match(expected, split(answer, "\r\n")), std::string(row_.claim) << "\n" << said << answer);
    }
  }

 private:
  ImapFixture::Client& client(char who) {
    auto& slot = who == 'C' ? first_ : who == 'D' ? second_ : stranger_;
    if (slot == nullptr) {
      slot = &fixture_.connect();
      (void)slot->heard();
      if (who != 'N') slot->log_in();
    }
    return *slot;
  }

  const Clause& row_;
  std::string before_;
  ImapFixture fixture_;
  ImapFixture::Client *first_ = nullptr, *second_ = nullptr, *stranger_ = nullptr;
};

void check_clauses(const std::vector<Clause>& rows) {
  for (const Clause& row : rows) {
    Dialogue dialogue(row);
    dialogue.play();
  }
}

// INBOX has three messages and is selected.
#define KM_THREE "p APPEND INBOX {11+}\nA: b\n\n1\n {11+}\nA: b\n\n2\n {11+}\nA: b\n\n3\n\np SELECT INBOX"
constexpr std::string_view three = KM_THREE;
constexpr std::string_view three_resync = "p ENABLE QRESYNC\n" KM_THREE;
constexpr std::string_view three_rev2 = "p ENABLE IMAP4rev2\n" KM_THREE;
constexpr std::string_view rev2 = "p ENABLE IMAP4rev2";
#undef KM_THREE

}  // namespace

TEST_CASE("imap clauses: commands, tags and strings (RFC 9051 §2.2, §4)") {
  check_clauses({
      {"§2.2.1: tag reuse is accepted", {},
       R"(C: a NOOP
S: a OK NOOP completed
C: a NOOP
S: a OK NOOP completed)"},
      {"§2.2.2: extraneous spaces are BAD", {},
       R"(C: a NOOP 
S: a BAD ~
C: b  NOOP
S: b BAD ~
C:  c NOOP
S: * BAD ~
C: d STATUS  INBOX (MESSAGES)
S: d BAD ~)"},
      {"§2.2.2: missing arguments are BAD", {},
       R"(C: a SELECT
S: a BAD ~
C: b STATUS INBOX
S: b BAD ~
C: c ENABLE
S: c BAD ~
C: d LIST ""
S: d BAD ~)"},
      {"§9 (1): names are of any case", three,
       R"(C: a sTaTuS inbox (mEsSaGeS)
S: * STATUS INBOX (MESSAGES 3)
S: a OK ~
C: b uid fetch 1 (flags body.peek[header.fields (a)]<0.2>)
S: * 1 FETCH (UID 1 FLAGS () BODY[HEADER.FIELDS (a)]<0> {2}
S: A:)
S: b OK ~
C: c search not deleted or seen unseen
S: * SEARCH 1 2 3
S: c OK ~)"},
      {"§4.3: a synchronizing literal is asked for, also one of no octets", {},
       R"(C: a STATUS {5}
S: + OK
C: INBOX (MESSAGES)
S: * STATUS INBOX (MESSAGES 0)
S: a OK ~
C: b LIST {0}
S: + OK
C:  INBOX
S: * LIST (~) "/" INBOX
S: b OK ~)"},
      {"§4.3, RFC 7888 §3: a non-synchronizing one is not", {},
       R"(C: a STATUS {5+}
C: INBOX (MESSAGES)
S: * STATUS INBOX (MESSAGES 0)
S: a OK ~)"},
      {"RFC 7888 §4: what a refused command has as literals is not taken for commands", {},
       R"(C: a NONSENSE {8+}
C: b LOGOUT
C: c NOOP
S: a BAD ~
S: c OK ~)"},
      {"§4.3: UTF-8 in quoted strings is accepted, whatever is enabled", three,
       R"(N: a LOGIN alice@example.test "pässword"
S: a NO [AUTHENTICATIONFAILED] ~
C: b SEARCH TEXT "grün"
S: * SEARCH
S: b OK ~)"},
      {"RFC 3501 §5.1.3: names of mailboxes are UTF-8 only once that is enabled", {},
       R"(C: a STATUS "Entwürfe" (MESSAGES)
S: a BAD ~
C: b ENABLE IMAP4rev2
S: * ENABLED IMAP4rev2
S: b OK ~
C: c CREATE "Entwürfe"
S: c OK ~
C: d STATUS "Entwürfe" (MESSAGES)
S: * STATUS "Entwürfe" (MESSAGES 0)
S: d OK ~)"},
      {"§5.5: commands sent at once are answered in their order", three,
       R"(C: a SEARCH RETURN (SAVE) 2
C: b FETCH $ UID
C: c STORE 2 +FLAGS.SILENT (\Seen)
C: d FETCH 2 FLAGS
S: a OK ~
S: * 2 FETCH (UID 2)
S: b OK ~
S: c OK ~
S: * 2 FETCH (FLAGS (\Seen))
S: d OK ~)"},
  });
}

TEST_CASE("imap clauses: what belongs to a message (RFC 9051 §2.3)") {
  check_clauses({
      {"§2.3.1.1: UIDNEXT stays unless messages come, and grows also for those that go", three,
       R"(C: a STATUS INBOX (UIDNEXT)
S: * STATUS INBOX (UIDNEXT 4)
S: a OK ~
C: b STORE 3 +FLAGS.SILENT (\Deleted)
C: c EXPUNGE
S: b OK ~
S: * 3 EXPUNGE
S: c OK ~
C: d STATUS INBOX (UIDNEXT)
S: * STATUS INBOX (UIDNEXT 4)
S: d OK ~
C: e APPEND INBOX {3+}
C: x
C: 
S: * 3 EXISTS
S: e OK [APPENDUID ~ 4] ~
C: f FETCH 3 UID
S: * 3 FETCH (UID 4)
S: f OK ~)"},
      {"§2.3.2: the registered keywords are kept by APPEND, COPY and MOVE and found by SEARCH", {},
       R"(C: a APPEND INBOX ($MDNSent $Forwarded $Junk $NotJunk $Phishing) {3+}
C: x
C: 
S: a OK ~
C: b SELECT INBOX
S: ...
S: b OK ~
C: c COPY 1 Archive
S: c OK ~
C: d MOVE 1 Trash
S: ...
S: d OK ~
C: e SELECT Archive
S: ...
S: e OK ~
C: f SEARCH KEYWORD $Forwarded KEYWORD $mdnsent KEYWORD $Junk KEYWORD $NotJunk KEYWORD $Phishing
S: * SEARCH 1
S: f OK ~
C: g SELECT Trash
S: ...
S: g OK ~
C: h FETCH 1 FLAGS
S: * 1 FETCH (FLAGS ($MDNSent $Forwarded $Junk $NotJunk $Phishing))
S: h OK ~)"},
      {"§2.3.3: COPY and MOVE keep the internal date, APPEND sets it", {},
       R"(C: a APPEND INBOX " 5-Mar-2001 06:07:08 -0800" {3+}
C: x
C: 
S: a OK ~
C: b SELECT INBOX
S: ...
S: b OK ~
C: c COPY 1 Archive
S: c OK ~
C: d MOVE 1 Trash
S: ...
S: d OK ~
C: e SELECT Archive
S: ...
S: e OK ~
C: f FETCH 1 INTERNALDATE
S: * 1 FETCH (INTERNALDATE "05-Mar-2001 14:07:08 +0000")
S: f OK ~
C: g SELECT Trash
S: ...
S: g OK ~
C: h FETCH 1 INTERNALDATE
S: * 1 FETCH (INTERNALDATE "05-Mar-2001 14:07:08 +0000")
S: h OK ~)"},
      {"§2.3.4: RFC822.SIZE is what BODY[] gives", three,
       R"(C: a FETCH 1 (RFC822.SIZE BODY.PEEK[])
S: * 1 FETCH (RFC822.SIZE 11 BODY[] {11}
S: A: b
S: 
S: 1
S: )
S: a OK ~)"},
      {"§7.1 PERMANENTFLAGS: a flag that cannot be kept is ignored", three,
       R"(C: a STORE 1 +FLAGS (\Recent \Seen \Nonstandard)
S: * 1 FETCH (FLAGS (\Seen))
S: a OK ~
C: b STORE 1 FLAGS (\*)
S: b BAD ~
C: c APPEND Archive (\Recent \Flagged) {3+}
C: x
C: 
S: c OK ~)"},
  });
}

TEST_CASE("imap clauses: before login (RFC 9051 §3.1, §6.1, §6.2)") {
  check_clauses({
      {"§3.1: most commands need a login", {},
       R"(N: a SELECT INBOX
S: a BAD ~
N: b LIST "" *
S: b BAD ~
N: c ENABLE IMAP4rev2
S: c BAD ~
N: d NOOP
S: d OK ~)"},
      {"§6.1.1: one CAPABILITY response, with both revisions, before the OK", {},
       R"(N: a CAPABILITY
S: * CAPABILITY IMAP4rev1 IMAP4rev2 ~AUTH=PLAIN~
S: a OK ~)"},
      {"§6.1.3: BYE, then OK", {},
       R"(N: a LOGOUT
S: * BYE ~
S: a OK ~)"},
      {"§6.2.2: cancelled or malformed is BAD, not supported is NO", {},
       R"(N: a AUTHENTICATE PLAIN
S: + 
N: *
S: a BAD ~
N: b AUTHENTICATE PLAIN
S: + 
N: AAA=BBB=
S: b BAD ~
N: c AUTHENTICATE PLAIN =AAA
S: c BAD ~
N: d AUTHENTICATE X-NONE
S: d NO ~
N: e AUTHENTICATE PLAIN
S: + 
N: AGFsaWNlQGV4YW1wbGUudGVzdABzZWNyZXQgb2YgYWxpY2U=
S: e OK [CAPABILITY IMAP4rev1 IMAP4rev2 ~IDLE~] ~)"},
      {"RFC 4959 §3: an initial response, and \"=\" for an empty one", {},
       R"(N: a AUTHENTICATE PLAIN =
S: a ~ ~
N: b AUTHENTICATE PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABzZWNyZXQgb2YgYWxpY2U=
S: b OK [CAPABILITY ~] ~)"},
      {"RFC 4959 §3: an initial response of LOGIN is the user's name, and the password alone is asked for", {},
       R"(N: a AUTHENTICATE LOGIN YWxpY2VAZXhhbXBsZS50ZXN0
S: + UGFzc3dvcmQ6
N: c2VjcmV0IG9mIGFsaWNl
S: a OK [CAPABILITY ~] ~)"},
      {"§6.2.3: LOGIN with literals; nothing about why it fails", {},
       R"(N: a LOGIN {18}
S: + OK
N: alice@example.test {5}
S: + OK
N: wrong
S: a NO [AUTHENTICATIONFAILED] ~
N: b LOGIN nobody@example.test {5+}
N: wrong
S: b NO [AUTHENTICATIONFAILED] ~
N: c LOGIN {18+}
N: alice@example.test {15+}
N: secret of alice
S: c OK [CAPABILITY ~] ~
N: d LOGIN alice@example.test "secret of alice"
S: d BAD ~)"},
      {"RFC 2971 §3.1: ID at any time", {},
       R"(N: a ID NIL
S: * ID ("name" "Keystone Mail")
S: a OK ~
N: b ID ("name" "x" "version" NIL)
S: * ID ~
S: b OK ~
N: c ID ("name")
S: c BAD ~)"},
  });
}

TEST_CASE("imap clauses: mailboxes (RFC 9051 §5.1, §6.3)") {
  check_clauses({
      {"§6.3.1: ENABLE ignores what it does not know and what is not to be enabled, and tells only what is new", {},
       R"(C: a ENABLE X-GOOD-IDEA IDLE
S: * ENABLED
S: a OK ~
C: b ENABLE CONDSTORE IMAP4rev2
S: * ENABLED IMAP4rev2 CONDSTORE
S: b OK ~
C: c ENABLE IMAP4rev2
S: * ENABLED
S: c OK ~)"},
      {"§6.3.2: a SELECT that fails leaves none selected, and [CLOSED] is told", three,
       R"(C: a SELECT nowhere
S: * OK [CLOSED] ~
S: a NO [NONEXISTENT] ~
C: b FETCH 1 FLAGS
S: b BAD ~)"},
      {"§6.3.2: SELECT of IMAP4rev2 has LIST, and neither RECENT nor UNSEEN", three_rev2,
       R"(C: a SELECT inbox
S: * OK [CLOSED] ~
S: * FLAGS (~)
S: * OK [PERMANENTFLAGS (~)] ~
S: * 3 EXISTS
S: * OK [UIDVALIDITY ~] ~
S: * OK [UIDNEXT 4] ~
S: * OK [HIGHESTMODSEQ ~] ~
S: * OK [MAILBOXID (F1)] ~
S: * LIST (\HasNoChildren \Subscribed) "/" INBOX
S: a OK [READ-WRITE] ~)"},
      {"§6.3.2: the attributes of SELECT's LIST are accurate", R"(p ENABLE IMAP4rev2
p CREATE Sent/old
p UNSUBSCRIBE Sent)",
       R"(C: a EXAMINE Sent
S: ...
S: * LIST (\HasChildren \Sent) "/" Sent
S: a OK [READ-ONLY] ~)"},
      {"§5.1, §6.3.9.7: a name that is not in NFC is accepted everywhere, and its normal form told", rev2,
       R"(C: a CREATE "Café"
S: * LIST (\Subscribed) "/" "Café" ("OLDNAME" ("Café"))
S: a OK ~
C: b SELECT "Café"
S: ...
S: * LIST (\HasNoChildren \Subscribed) "/" "Café" ("OLDNAME" ("Café"))
S: b OK ~
C: c LIST "" "Café"
S: * LIST (\HasNoChildren) "/" "Café"
S: c OK ~
C: d STATUS "Café" (MESSAGES)
S: * STATUS "Café" (MESSAGES 0)
S: d OK ~
C: e APPEND "Café" {3+}
C: x
C: 
S: * LIST (\Subscribed) "/" "Café" ("OLDNAME" ("Café"))
S: ...
S: e OK ~
C: f RENAME "Café" plain
S: * LIST (\Subscribed) "/" plain ("OLDNAME" ("Café"))
S: f OK ~
C: g RENAME plain "Café"
S: * LIST (\Subscribed) "/" "Café" ("OLDNAME" (plain))
S: g OK ~
C: h DELETE "Café"
S: * LIST (\NonExistent) "/" "Café" ("OLDNAME" ("Café"))
S: h OK ~)"},
      {"RFC 5258 §3: no extended data for those who have not asked", {},
       R"(C: a CREATE {6+}
C: Café
S: a NO [CANNOT] ~
C: b CREATE Cafe&AwE-
S: b OK ~
C: c LIST "" Caf*
S: * LIST (\HasNoChildren) "/" Caf&AOk-
S: c OK ~)"},
      {"§5.1, RFC 6855 §3: control characters and separators of lines are no part of names", rev2,
       R"(C: a CREATE "ab"
S: a NO [CANNOT] ~
C: b CREATE "a b"
S: b NO [CANNOT] ~
C: c CREATE {3+}
C: a	b
S: c NO [CANNOT] ~)"},
      {"RFC 3501 §5.1.3, RFC 9051 §6.3.4: what is not modified UTF-7 is not created, and that is NO", {},
       R"(C: a CREATE R&D
S: a NO [CANNOT] ~
C: b CREATE &AGE-
S: b NO [CANNOT] ~
C: c RENAME Archive R&D
S: c NO [CANNOT] ~
C: d CREATE R&-D
S: d OK ~
C: e LIST "" R*
S: * LIST (\HasNoChildren) "/" R&-D
S: e OK ~)"},
      {"§6.3.4: the name is without trailing separator, and superiors are made", {},
       R"(C: a CREATE p/q/r/
S: a OK ~
C: b LIST "" p*
S: * LIST (\HasChildren) "/" p
S: * LIST (\HasChildren) "/" p/q
S: * LIST (\HasNoChildren) "/" p/q/r
S: b OK ~)"},
      {"§6.3.5: DELETE takes no inferiors along", {},
       R"(C: a CREATE p/q
S: a OK ~
C: b DELETE p
S: b NO [HASCHILDREN] ~
C: c LIST "" p*
S: * LIST (\HasChildren) "/" p
S: * LIST (\HasNoChildren) "/" p/q
S: c OK ~)"},
      {"§6.3.6: RENAME makes superiors, and the old name's next mailbox has another UIDVALIDITY", {},
       R"(C: a CREATE old
S: a OK ~
C: b STATUS old (UIDVALIDITY)
S: * STATUS old (UIDVALIDITY 1767225606)
S: b OK ~
C: c RENAME old baz/rag/zowie
S: c OK ~
C: d LIST "" baz*
S: * LIST (\HasChildren) "/" baz
S: * LIST (\HasChildren) "/" baz/rag
S: * LIST (\HasNoChildren) "/" baz/rag/zowie
S: d OK ~
C: e CREATE old
S: e OK ~
C: f STATUS old (UIDVALIDITY)
S: * STATUS old (UIDVALIDITY 17672256~)
S: f OK ~
C: g STATUS baz/rag/zowie (UIDVALIDITY)
S: * STATUS baz/rag/zowie (UIDVALIDITY 1767225606)
S: g OK ~)"},
      {"RFC 8474 §4: a mailbox keeps its id when it is renamed", {},
       R"(C: a CREATE one
S: a OK [MAILBOXID (F7)] ~
C: b RENAME one two
S: b OK ~
C: c STATUS two (MAILBOXID)
S: * STATUS two (MAILBOXID (F7))
S: c OK ~)"},
      {"§6.3.11: STATUS works on the mailbox selected, and SIZE is the sum", three,
       R"(C: a STATUS INBOX (MESSAGES UNSEEN SIZE)
S: * STATUS INBOX (MESSAGES 3 UNSEEN 3 SIZE 33)
S: a OK ~)"},
      {"RFC 9208 §4.1.4, §5.1: DELETED-STORAGE is what EXPUNGE would free", three,
       R"(C: a STATUS INBOX (DELETED DELETED-STORAGE)
S: * STATUS INBOX (DELETED 0 DELETED-STORAGE 0)
S: a OK ~
C: b STORE 1,3 +FLAGS.SILENT (\Deleted)
S: b OK ~
C: c LIST "" INBOX RETURN (STATUS (DELETED DELETED-STORAGE))
S: * LIST (~) "/" INBOX
S: * STATUS INBOX (DELETED 2 DELETED-STORAGE 22)
S: c OK ~)"},
      {"RFC 7889 §3.2: APPENDLIMIT for each mailbox listed", {},
       R"(C: a LIST "" (INBOX Sent) RETURN (STATUS (APPENDLIMIT))
S: * LIST (~) "/" INBOX
S: * STATUS INBOX (APPENDLIMIT 52428800)
S: * LIST (~) "/" Sent
S: * STATUS Sent (APPENDLIMIT 52428800)
S: a OK ~)"},
  });
}

TEST_CASE("imap clauses: LIST and its options (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 6154, RFC 3501)") {
  check_clauses({
      {"§6.3.9: a pattern that is not accepted is ignored", {},
       R"(C: a LIST "" R&D*
S: a OK ~
C: b LIST "" ("bad&" INBOX)
S: * LIST (~) "/" INBOX
S: b OK ~
C: c LIST "R&D/" %
S: c OK ~
C: d LSUB "" "%&%"
S: d OK ~)"},
      {"§6.3.9: options not known are BAD, given twice they count once", {},
       R"(C: a LIST (NOSUCH) "" %
S: a BAD ~
C: b LIST (SUBSCRIBED SUBSCRIBED) "" INBOX RETURN (CHILDREN CHILDREN)
S: * LIST (\HasNoChildren \Subscribed) "/" INBOX
S: b OK ~)"},
      {"§6.3.9.1: RECURSIVEMATCH alone or with REMOTE is BAD", {},
       R"(C: a LIST (RECURSIVEMATCH) "" %
S: a BAD ~
C: b LIST (REMOTE RECURSIVEMATCH) "" %
S: b BAD ~)"},
      {"RFC 5258 §3: an extended LIST has no special meaning for the empty name", {},
       R"(C: a LIST () "" ""
S: a OK ~
C: b LIST "" ("" INBOX)
S: * LIST (~) "/" INBOX
S: b OK ~
C: c LIST "" "" RETURN (CHILDREN)
S: c OK ~)"},
      {"RFC 5258 §3: a name that matches several patterns is listed once", {},
       R"(C: a LIST "" (INBOX IN* inbox)
S: * LIST (~) "/" INBOX
S: a OK ~)"},
      {"§6.3.9.6: CHILDINFO only with RECURSIVEMATCH, and not where the child is listed too", R"(p CREATE p/q
p UNSUBSCRIBE p)",
       R"(C: a LIST (SUBSCRIBED) "" p*
S: * LIST (\HasNoChildren \Subscribed) "/" p/q
S: a OK ~
C: b LIST (SUBSCRIBED RECURSIVEMATCH) "" p*
S: * LIST (\HasNoChildren \Subscribed) "/" p/q
S: b OK ~
C: c LIST (SUBSCRIBED RECURSIVEMATCH) "" p
S: * LIST (\HasChildren) "/" p ("CHILDINFO" ("SUBSCRIBED"))
S: c OK ~)"},
      {"RFC 5819 §2: STATUS follows its LIST, not for what is listed for its children alone", R"(p CREATE p/q
p UNSUBSCRIBE p)",
       R"(C: a LIST (SUBSCRIBED RECURSIVEMATCH) "" (INBOX p) RETURN (STATUS (MESSAGES))
S: * LIST (~) "/" INBOX
S: * STATUS INBOX (MESSAGES 0)
S: * LIST (\HasChildren) "/" p ("CHILDINFO" ("SUBSCRIBED"))
S: a OK ~)"},
      {"RFC 6154 §3: a special use that cannot be given makes no mailbox", {},
       R"(C: a CREATE Mine (USE (\Sent))
S: a NO [USEATTR] ~
C: b CREATE Mine (USE (\Nonsense))
S: b NO [USEATTR] ~
C: c LIST "" Mine
S: c OK ~)"},
      {"RFC 6154 §2, §5.3: nor one whose meaning no mailbox here has", {},
       R"(C: a CREATE Everything (USE (\All))
S: a NO [USEATTR] ~
C: b CREATE Stars (USE (\Flagged))
S: b NO [USEATTR] ~
C: c LIST "" (Everything Stars)
S: c OK ~)"},
      {"RFC 6154 §5.3: a name that is there is told before a use that is taken", {},
       R"(C: a CREATE Drafts (USE (\Trash))
S: a NO [ALREADYEXISTS] ~
C: b CREATE Bin (USE (\Trash))
S: b NO [USEATTR] ~)"},
      {"RFC 3501 §6.3.9: LSUB, % and a parent that is not subscribed", R"(p CREATE p/q
p UNSUBSCRIBE p)",
       R"(C: a LSUB "" p%
S: * LSUB (\Noselect) "/" p
S: a OK ~
C: b LSUB "" p*
S: * LSUB () "/" p/q
S: b OK ~)"},
      {"RFC 3501 §6.3.9, RFC 9051 §6.3.9: a name stays subscribed to when its mailbox is deleted, until UNSUBSCRIBE", R"(p CREATE Fruit/Peach
p DELETE Fruit/Peach)",
       R"(C: a LIST (SUBSCRIBED) "" Fruit/* RETURN (CHILDREN STATUS (MESSAGES))
S: * LIST (\NonExistent \HasNoChildren \Subscribed) "/" Fruit/Peach
S: a OK ~
C: b LSUB "" Fruit*
S: * LSUB () "/" Fruit
S: * LSUB (\Noselect) "/" Fruit/Peach
S: b OK ~
C: c LIST "" Fruit* RETURN (SUBSCRIBED)
S: * LIST (\HasNoChildren \Subscribed) "/" Fruit
S: c OK ~
C: d SELECT Fruit/Peach
S: d NO [NONEXISTENT] ~
C: e UNSUBSCRIBE Fruit/Peach
S: e OK ~
C: f LIST (SUBSCRIBED) "" Fruit/*
S: f OK ~
C: g UNSUBSCRIBE Fruit/Peach
S: g NO [NONEXISTENT] ~)"},
      {"RFC 3501 §6.3.6: a mailbox that is made again under its name is subscribed to, and then as any other", R"(p CREATE Mine
p DELETE Mine
p CREATE Mine)",
       R"(C: a LIST (SUBSCRIBED) "" Mine
S: * LIST (\HasNoChildren \Subscribed) "/" Mine
S: a OK ~
C: b UNSUBSCRIBE Mine
S: b OK ~
C: c DELETE Mine
S: c OK ~
C: d LIST (SUBSCRIBED) "" Mine
S: d OK ~
C: e SUBSCRIBE Mine
S: e NO [NONEXISTENT] ~)"},
      {"RFC 3501 §6.3.9, RFC 8621 §2: RENAME keeps the old name subscribed to, and the mailbox", R"(p CREATE Old/Sub
p UNSUBSCRIBE Old
p RENAME Old New)",
       R"(C: a LIST (SUBSCRIBED) "" (Old* New*)
S: * LIST (\HasNoChildren \Subscribed) "/" New/Sub
S: * LIST (\NonExistent \HasNoChildren \Subscribed) "/" Old/Sub
S: a OK ~
C: b RENAME New Old
S: b OK ~
C: c LIST (SUBSCRIBED) "" (Old* New*)
S: * LIST (\NonExistent \HasNoChildren \Subscribed) "/" New/Sub
S: * LIST (\HasNoChildren \Subscribed) "/" Old/Sub
S: c OK ~)"},
      {"RFC 5258 §3.5, RFC 3501 §6.3.9: a name that is not there stands for the subscription below it", R"(p CREATE Gone/Sub
p UNSUBSCRIBE Gone
p DELETE Gone/Sub
p DELETE Gone)",
       R"(C: a LIST (SUBSCRIBED RECURSIVEMATCH) "" G% RETURN (STATUS (MESSAGES))
S: * LIST (\NonExistent \HasNoChildren) "/" Gone ("CHILDINFO" ("SUBSCRIBED"))
S: a OK ~
C: b LSUB "" G%
S: * LSUB (\Noselect) "/" Gone
S: b OK ~
C: c LIST (SUBSCRIBED) "" G*
S: * LIST (\NonExistent \HasNoChildren \Subscribed) "/" Gone/Sub
S: c OK ~)"},
      {"RFC 2342 §5: classes of namespace that are not there are NIL", {},
       R"(C: a NAMESPACE
S: * NAMESPACE (("" "/")) NIL NIL
S: a OK ~)"},
  });
}

TEST_CASE("imap clauses: APPEND, COPY and MOVE (RFC 9051 §6.3.12, §6.4.7, §6.4.8, RFC 3502, RFC 4315, RFC 6851)") {
  check_clauses({
      {"§7.1: APPENDUID of one message is one number, of two a set", three,
       R"(C: a APPEND Archive {3+}
C: x
C: 
S: a OK [APPENDUID 1767225605 1] ~
C: b APPEND Archive {3+}
C: x
C:  {3+}
C: y
C: 
S: b OK [APPENDUID 1767225605 2:3] ~)"},
      {"§6.3.12: a mailbox that is not there is not made; a literal is not asked for", {},
       R"(C: a APPEND nowhere {3}
S: a NO [TRYCREATE] ~
C: b LIST "" nowhere
S: b OK ~)"},
      {"RFC 3502: a message without octets takes all back", {},
       R"(C: a APPEND INBOX {3+}
C: x
C:  {0+}
C: 
S: a NO ~
C: b STATUS INBOX (MESSAGES)
S: * STATUS INBOX (MESSAGES 0)
S: b OK ~)"},
      {"RFC 3502: neither is there anything of a command that ends badly", {},
       R"(C: a APPEND INBOX {3+}
C: x
C:  nonsense
S: a BAD ~
C: b STATUS INBOX (MESSAGES)
S: * STATUS INBOX (MESSAGES 0)
S: b OK ~)"},
      {"RFC 7888 §5, RFC 7889 §4: too large is TOOBIG before it is sent", {},
       R"(C: a APPEND INBOX {52428801}
S: a NO [TOOBIG] ~)"},
      {"§6.3.12: EXISTS at once where the mailbox is selected", three,
       R"(C: a APPEND INBOX {3+}
C: x
C: 
S: * 4 EXISTS
S: a OK [APPENDUID ~ 4] ~)"},
      {"RFC 3516 §4.4: a binary literal", {},
       R"(C: a APPEND INBOX ~{3+}
C: x
C: 
S: a OK [APPENDUID ~] ~)"},
      {"§6.4.7: COPY keeps flags, says TRYCREATE and makes nothing", three,
       R"(C: a STORE 2 +FLAGS.SILENT (\Flagged \Seen)
S: a OK ~
C: b COPY 2:3 nowhere
S: b NO [TRYCREATE] ~
C: c COPY 2:3 Archive
S: c OK [COPYUID 1767225605 2:3 1:2] ~
C: d SELECT Archive
S: ...
S: d OK ~
C: e FETCH 1:2 FLAGS
S: * 1 FETCH (FLAGS (\Seen \Flagged))
S: * 2 FETCH (FLAGS ())
S: e OK ~)"},
      {"§6.4.8: MOVE has no STORE in it, COPYUID before EXPUNGE, and no \\Deleted there", three,
       R"(C: a UID MOVE 1,3 Archive
S: * OK [COPYUID 1767225605 1,3 1:2] ~
S: * 3 EXPUNGE
S: * 1 EXPUNGE
S: a OK ~
C: b MOVE 1 nowhere
S: b NO [TRYCREATE] ~
C: c SELECT Archive
S: ...
S: c OK ~
C: d FETCH 1:2 FLAGS
S: * 1 FETCH (FLAGS ())
S: * 2 FETCH (FLAGS ())
S: d OK ~)"},
      {"RFC 6851 §4.4: VANISHED and HIGHESTMODSEQ for who enabled QRESYNC", three_resync,
       R"(C: a MOVE 2 Archive
S: * OK [COPYUID 1767225605 2 1] ~
S: * VANISHED 2
S: a OK [HIGHESTMODSEQ 3] ~)"},
      {"§6.4.8: MOVE into the mailbox itself loses nothing", three,
       R"(C: a MOVE 1 INBOX
S: ...
S: a OK ~
C: b STATUS INBOX (MESSAGES)
S: ...
S: * STATUS INBOX (MESSAGES 3)
S: b OK ~)"},
      {"RFC 4315 §2.1: UID EXPUNGE takes only what is named and marked", three,
       R"(C: a STORE 1:2 +FLAGS.SILENT (\Deleted)
S: a OK ~
C: b UID EXPUNGE 2:3
S: * 2 EXPUNGE
S: b OK ~)"},
  });
}

TEST_CASE("imap clauses: SEARCH and its results (RFC 9051 §6.4.4, RFC 4731, RFC 5182, RFC 5032, RFC 5256)") {
  check_clauses({
      {"§6.4.4: no charset but those known, and that is NO", three,
       R"(C: a SEARCH CHARSET X-UNKNOWN TEXT x
S: a NO [BADCHARSET (US-ASCII UTF-8)] ~
C: b SEARCH CHARSET UTF-8 TEXT 1
S: * SEARCH 1
S: b OK ~
C: c SEARCH CHARSET us-ascii TEXT 1
S: * SEARCH 1
S: c OK ~)"},
      {"§6.4.4: options not known are BAD, keys not known too", three,
       R"(C: a SEARCH RETURN (NOSUCH) ALL
S: a BAD ~
C: b SEARCH NOSUCH
S: b BAD ~)"},
      {"§6.4.4: ESEARCH without matches has neither MIN nor MAX nor ALL, but COUNT", three,
       R"(C: a SEARCH RETURN (MIN MAX ALL COUNT) DRAFT
S: * ESEARCH (TAG "a") COUNT 0
S: a OK ~
C: b UID SEARCH RETURN (MIN) DRAFT
S: * ESEARCH (TAG "b") UID
S: b OK ~)"},
      {"§6.4.4: of IMAP4rev2 every SEARCH is answered by ESEARCH, UID SEARCH with UID", three_rev2,
       R"(C: a SEARCH 2:3
S: * ESEARCH (TAG "a") ALL 2:3
S: a OK ~
C: b UID SEARCH RETURN () ALL
S: * ESEARCH (TAG "b") UID ALL 1:3
S: b OK ~)"},
      {"§6.4.4: encoded words are decoded, letters of any case match, an empty string finds the field", R"(p APPEND INBOX {44+}
Subject: =?iso-8859-1?q?Gr=FC=DFe?=

hello


p SELECT INBOX)",
       R"(C: a SEARCH CHARSET UTF-8 SUBJECT {6+}
C: grüß
S: * SEARCH 1
S: a OK ~
C: b SEARCH TEXT HELLO
S: * SEARCH 1
S: b OK ~
C: c SEARCH HEADER subject ""
S: * SEARCH 1
S: c OK ~
C: d SEARCH HEADER X-None ""
S: * SEARCH
S: d OK ~)"},
      {"§6.4.4: the text of a charset whose octets are all ASCII is converted like that of any other", R"(p APPEND INBOX {44+}
Subject: =?iso-8859-1?q?Gr=FC=DFe?=

hello


p SELECT INBOX)",
       R"(C: a SEARCH CHARSET UTF-7 SUBJECT "Gr+APwA3w-e"
S: * SEARCH 1
S: a OK ~
C: b SEARCH SUBJECT "Gr+APwA3w-e"
S: * SEARCH
S: b OK ~)"},
      {"§6.4.9: UID SEARCH by both kinds of number", three,
       R"(C: a UID SEARCH 1:2 UID 2:3
S: * SEARCH 2
S: a OK ~)"},
      {"§6.4.4.1: BAD and what saves nothing leave $ as it was", three,
       R"(C: a SEARCH RETURN (SAVE) 2
S: a OK ~
C: b SEARCH RETURN (SAVE) 99
S: b BAD ~
C: c SEARCH ALL
S: * SEARCH 1 2 3
S: c OK ~
C: d SEARCH CHARSET X-UNKNOWN TEXT x
S: d NO ~
C: e SORT RETURN (SAVE) (SIZE) UTF-8 99
S: e BAD ~
C: f FETCH $ UID
S: * 2 FETCH (UID 2)
S: f OK ~)"},
      {"§6.4.4.1: NO to one that saves empties $, which then is no messages, not an error", three,
       R"(C: a SEARCH RETURN (SAVE) 2
S: a OK ~
C: b SEARCH RETURN (SAVE) CHARSET X-UNKNOWN TEXT x
S: b NO [BADCHARSET (US-ASCII UTF-8)] ~
C: c FETCH $ UID
S: c OK ~
C: d SEARCH RETURN (SAVE) 2
S: d OK ~
C: e SORT RETURN (SAVE) (SIZE) X-UNKNOWN ALL
S: e NO [BADCHARSET (US-ASCII UTF-8)] ~
C: f UID STORE $ +FLAGS (\Seen)
S: f OK ~
C: g COPY $ Archive
S: g OK ~)"},
      {"§6.4.4.1: what is expunged leaves $, SELECT empties it", three,
       R"(C: a SEARCH RETURN (SAVE) 1:2
S: a OK ~
C: b STORE 1 +FLAGS.SILENT (\Deleted)
C: c EXPUNGE
S: b OK ~
S: * 1 EXPUNGE
S: c OK ~
C: d FETCH $ UID
S: * 1 FETCH (UID 2)
S: d OK ~
C: e SELECT INBOX
S: ...
S: e OK ~
C: f FETCH $ UID
S: f OK ~)"},
      {"§6.4.4.1, table 4: what SAVE keeps", three,
       R"(C: a SEARCH RETURN (SAVE MIN) ALL
S: * ESEARCH (TAG "a") MIN 1
S: a OK ~
C: b FETCH $ UID
S: * 1 FETCH (UID 1)
S: b OK ~
C: c UID SEARCH RETURN (SAVE MIN MAX) ALL
S: * ESEARCH (TAG "c") UID MIN 1 MAX 3
S: c OK ~
C: d FETCH $ UID
S: * 1 FETCH (UID 1)
S: * 3 FETCH (UID 3)
S: d OK ~
C: e SEARCH RETURN (SAVE MIN COUNT) ALL
S: * ESEARCH (TAG "e") MIN 1 COUNT 3
S: e OK ~
C: f SEARCH $ 2:3
S: * SEARCH 2 3
S: f OK ~)"},
      {"§9 seq-number: a number that no message has is BAD, * of an empty mailbox too", R"(p SELECT INBOX)",
       R"(C: a FETCH 1:* FLAGS
S: a BAD ~
C: b UID FETCH 1:* FLAGS
S: b OK ~
C: c SEARCH ALL
S: * SEARCH
S: c OK ~)"},
      {"§9 seq-range: SEARCH for n:* finds the last message where there are not so many, and nothing in an empty mailbox", three,
       R"(C: a SEARCH 9:*
S: * SEARCH 3
S: a OK ~
C: b UID SEARCH RETURN (ALL) *:7 NOT DELETED
S: * ESEARCH (TAG "b") UID ALL 3
S: b OK ~
C: c SEARCH 4
S: c BAD ~
C: d SELECT Archive
S: ...
S: d OK ~
C: e UID SEARCH 1:* NOT DELETED
S: * SEARCH
S: e OK ~
C: f SORT (SIZE) UTF-8 1:*
S: * SORT
S: f OK ~
C: g SEARCH NOT 1:*
S: * SEARCH
S: g OK ~
C: h SEARCH 1
S: h BAD ~)"},
      {"RFC 3501 §6.4.4: NEW, OLD and RECENT, of which nothing here ever is", three,
       R"(C: a SEARCH OR NEW RECENT
S: * SEARCH
S: a OK ~
C: b SEARCH OLD
S: * SEARCH 1 2 3
S: b OK ~)"},
      {"RFC 5032 §2: an interval of no seconds is BAD", three,
       R"(C: a SEARCH YOUNGER 0
S: a BAD ~
C: b SEARCH OLDER 1
S: ...
S: b OK ~)"},
      {"RFC 5256 §3: US-ASCII and UTF-8 are there, the charset is not optional", three,
       R"(C: a SORT (REVERSE ARRIVAL) US-ASCII ALL
S: * SORT ~
S: a OK ~
C: b UID SORT (SIZE) UTF-8 2:3
S: * SORT 2 3
S: b OK ~
C: c SORT (SIZE) ALL
S: c ~ ~
C: d SORT (SIZE) X-UNKNOWN ALL
S: d NO [BADCHARSET (US-ASCII UTF-8)] ~
C: e THREAD REFERENCES UTF-8 DRAFT
S: * THREAD
S: e OK ~
C: f SORT (NOSUCH) UTF-8 ALL
S: f BAD ~)"},
  });
}

TEST_CASE("imap clauses: FETCH, STORE and what is told unasked (RFC 9051 §5.2, §6.4.5, §6.4.6, §7.5)") {
  check_clauses({
      {"§5.2, §7: any command tells what has come", three,
       R"(D: a APPEND INBOX {3+}
D: x
D: 
S: a OK ~
C: b FETCH 1 UID
S: * 1 FETCH (UID 1)
S: * 4 EXISTS
S: b OK ~)"},
      {"§6.4.6: .SILENT does not silence what others do", three,
       R"(D: a SELECT INBOX
S: ...
S: a OK ~
D: b STORE 2 +FLAGS.SILENT (\Flagged)
S: b OK ~
C: c STORE 1 +FLAGS.SILENT (\Seen)
S: * 2 FETCH (FLAGS (\Flagged))
S: c OK ~)"},
      {"§6.4.6: nor where it was the same message", three,
       R"(D: a SELECT INBOX
S: ...
S: a OK ~
D: b STORE 2 +FLAGS.SILENT (\Flagged)
S: b OK ~
C: c STORE 1:2 +FLAGS.SILENT (\Seen)
S: * 2 FETCH (FLAGS (\Seen \Flagged))
S: c OK ~)"},
      {"§5.2, §7.5.2: a second place of the same email is told of too", R"(p APPEND INBOX {11+}
A: b

1

p SELECT INBOX
p COPY 1 INBOX)",
       R"(C: a STORE 1 +FLAGS.SILENT (\Flagged)
S: * 2 FETCH (FLAGS (\Flagged))
S: a OK ~
C: b FETCH 2 BODY[HEADER]
S: * 1 FETCH (FLAGS (\Seen \Flagged))
S: * 2 FETCH (BODY[HEADER] {8}
S: A: b
S: 
S:  FLAGS (\Seen \Flagged))
S: b OK ~
C: c STORE 1:2 -FLAGS (\Seen)
S: * 1 FETCH (FLAGS (\Flagged))
S: * 2 FETCH (FLAGS (\Flagged))
S: c OK ~)"},
      {"§6.3.13, §7.5.2: what is told of flags unasked has a UID in IMAP4rev2", three_rev2,
       R"(C: a IDLE
S: + ~
D: b SELECT INBOX
S: ...
S: b OK ~
D: c STORE 2 +FLAGS.SILENT (\Flagged)
S: c OK ~
H: * 2 FETCH (UID 2 FLAGS (\Flagged))
C: DONE
S: a OK ~)"},
      {"RFC 2177 §3: DONE in any case ends it, anything else is BAD", three,
       R"(C: a IDLE
S: + ~
C: done
S: a OK ~
C: b IDLE
S: + ~
C: c NOOP
S: b BAD ~
C: d NOOP
S: d OK ~)"},
      {"§6.4.9: UID commands always tell the UID", three,
       R"(C: a UID FETCH 2 FLAGS
S: * 2 FETCH (UID 2 FLAGS ())
S: a OK ~
C: b UID STORE 2 +FLAGS (\Seen)
S: * 2 FETCH (UID 2 FLAGS (\Seen))
S: b OK ~)"},
      {"§6.4.5: \\Seen is told where reading sets it", three,
       R"(C: a FETCH 1 BODY[HEADER]
S: * 1 FETCH (BODY[HEADER] {8}
S: A: b
S: 
S:  FLAGS (\Seen))
S: a OK ~
C: b FETCH 1 BINARY[]
S: * 1 FETCH (BINARY[] {11}
S: ...
S: b OK ~)"},
      {"§7.5.2, RFC 3516 §6: BINARY of text has lines that end in CR LF, whatever was encoded, and SIZE agrees", R"(p APPEND INBOX {51+}
Content-Transfer-Encoding: base64

YQpiDQpjCg==

p SELECT INBOX)",
       R"(C: a FETCH 1 (BINARY.SIZE[1] BINARY.PEEK[1] BINARY.PEEK[1]<3.3>)
S: * 1 FETCH (BINARY.SIZE[1] 9 BINARY[1] {9}
S: a
S: b
S: c
S:  BINARY[1]<3> {3}
S: b
S: )
S: a OK ~)"},
      {"§6.4.5: macros stand alone, an empty list is none", three,
       R"(C: a FETCH 1 (FAST)
S: a BAD ~
C: b FETCH 1 ()
S: b BAD ~
C: c FETCH 1 BODY.PEEK
S: c BAD ~
C: d FETCH 1 BODY[1.]
S: d BAD ~)"},
      {"§7.5.2: of Sender and Reply-To that are absent or empty, From takes the place", R"(p APPEND INBOX {51+}
From: A B <a@b.test>
Reply-To:
To: g: c@d.test;


p SELECT INBOX)",
       R"(C: a FETCH 1 ENVELOPE
S: * 1 FETCH (ENVELOPE (NIL NIL (("A B" NIL "a" "b.test")) (("A B" NIL "a" "b.test")) (("A B" NIL "a" "b.test")) ((NIL NIL "g" NIL)(NIL NIL "c" "d.test")(NIL NIL NIL NIL)) NIL NIL NIL NIL))
S: a OK ~)"},
      {"§7.5.2: parameters continued and in charsets are put together", R"(p APPEND INBOX {122+}
Content-Type: text/plain; name*0*=utf-8''a%20;
 name*1*=b%21
Content-Disposition: inline; filename*0=c; filename*1=d


p SELECT INBOX)",
       R"(C: a FETCH 1 BODYSTRUCTURE
S: * 1 FETCH (BODYSTRUCTURE ("text" "plain" ("name*" "utf-8''a%20b%21") NIL NIL "7BIT" 0 0 NIL ("inline" ("filename" "cd")) NIL NIL))
S: a OK ~)"},
      {"RFC 8970 §3.2: no preview is an empty string without LAZY, never NIL", R"(p APPEND INBOX {50+}
Content-Type: application/octet-stream

xxxxxxxx
p SELECT INBOX)",
       R"(C: a FETCH 1 PREVIEW
S: * 1 FETCH (PREVIEW "")
S: a OK ~
C: b FETCH 1 (PREVIEW (LAZY))
S: * 1 FETCH (PREVIEW ~)
S: b OK ~)"},
      {"§6.3.3: EXAMINE is READ-ONLY, and what would change it is NO", R"(p APPEND INBOX (\Deleted) {3+}
x

p EXAMINE INBOX)",
       R"(C: a CLOSE
S: a OK ~
C: b STATUS INBOX (MESSAGES)
S: * STATUS INBOX (MESSAGES 1)
S: b OK ~)"},
      {"RFC 3691 §2, §6.4.2: UNSELECT expunges nothing", three,
       R"(C: a STORE 1 +FLAGS.SILENT (\Deleted)
S: a OK ~
C: b UNSELECT
S: b OK ~
C: c STATUS INBOX (MESSAGES)
S: * STATUS INBOX (MESSAGES 3)
S: c OK ~)"},
  });
}

TEST_CASE("imap clauses: CONDSTORE (RFC 7162 §3.1)") {
  check_clauses({
      {"§3.1: the first command that enables it tells HIGHESTMODSEQ of the mailbox selected, others do not", three,
       R"(C: a FETCH 1 (MODSEQ)
S: * 1 FETCH (MODSEQ (2))
S: * OK [HIGHESTMODSEQ 2] ~
S: a OK ~
C: b FETCH 1 (MODSEQ)
S: * 1 FETCH (MODSEQ (2))
S: b OK ~)"},
      {"§3.1: so does STATUS", three,
       R"(C: a STATUS Archive (HIGHESTMODSEQ)
S: * STATUS Archive (HIGHESTMODSEQ ~)
S: * OK [HIGHESTMODSEQ 2] ~
S: a OK ~)"},
      {"§3.1: LIST with it", three,
       R"(C: a LIST "" Archive RETURN (STATUS (HIGHESTMODSEQ))
S: * LIST ~
S: * STATUS Archive (HIGHESTMODSEQ ~)
S: * OK [HIGHESTMODSEQ 2] ~
S: a OK ~)"},
      {"§3.1: SEARCH MODSEQ", three,
       R"(C: a SEARCH MODSEQ 1
S: * SEARCH 1 2 3 (MODSEQ 2)
S: * OK [HIGHESTMODSEQ 2] ~
S: a OK ~)"},
      {"§3.1: STORE with UNCHANGEDSINCE", three,
       R"(C: a STORE 1 (UNCHANGEDSINCE 2) +FLAGS.SILENT (\Seen)
S: * 1 FETCH (UID 1 MODSEQ (3))
S: * OK [HIGHESTMODSEQ ~] ~
S: a OK ~)"},
      {"§3.1: FETCH with CHANGEDSINCE", three,
       R"(C: a FETCH 1:3 (FLAGS) (CHANGEDSINCE 2)
S: * OK [HIGHESTMODSEQ 2] ~
S: a OK ~)"},
      {"§3.1: ENABLE CONDSTORE", three,
       R"(C: a ENABLE CONDSTORE
S: * ENABLED CONDSTORE
S: * OK [HIGHESTMODSEQ 2] ~
S: a OK ~)"},
      {"§3.1: SELECT with CONDSTORE tells it as any SELECT, once", {},
       R"(C: a SELECT INBOX (CONDSTORE)
S: * FLAGS ~
S: * OK [PERMANENTFLAGS ~
S: * 0 EXISTS
S: * 0 RECENT
S: * OK [UIDVALIDITY ~
S: * OK [UIDNEXT ~
S: * OK [HIGHESTMODSEQ 1] ~
S: * OK [MAILBOXID ~
S: a OK [READ-WRITE] ~)"},
      {"§3.1, §3.1.11: setting what is set changes no mod-sequence", three,
       R"(C: a STORE 1 +FLAGS.SILENT (\Seen)
S: a OK ~
C: b STORE 1 +FLAGS.SILENT (\Seen)
S: b OK ~
C: c FETCH 1 (MODSEQ)
S: * 1 FETCH (MODSEQ (3))
S: ...
S: c OK ~)"},
      {"§3.1: two STOREs, two mod-sequences, the second greater", three,
       R"(C: a ENABLE CONDSTORE
S: ...
S: a OK ~
C: b STORE 1 +FLAGS (\Seen)
S: * 1 FETCH (UID 1 FLAGS (\Seen) MODSEQ (3))
S: b OK ~
C: c STORE 2 +FLAGS (\Seen)
S: * 2 FETCH (UID 2 FLAGS (\Seen) MODSEQ (4))
S: c OK ~)"},
      {"§3.1.3: with UNCHANGEDSINCE MODSEQ is told also of what was so before, .SILENT or not", three,
       R"(C: a STORE 1 +FLAGS.SILENT (\Seen)
S: a OK ~
C: b STORE 1:2 (UNCHANGEDSINCE 3) +FLAGS.SILENT (\Seen)
S: * 2 FETCH (UID 2 MODSEQ (4))
S: * 1 FETCH (UID 1 MODSEQ (3))
S: * OK [HIGHESTMODSEQ ~] ~
S: b OK STORE completed)"},
      {"§3.1.3: what failed is in MODIFIED, as numbers or as UIDs; 0 always fails", three,
       R"(C: a STORE 1:3 (UNCHANGEDSINCE 0) +FLAGS.SILENT (\Seen)
S: ...
S: a OK [MODIFIED 1:3] ~
C: b UID STORE 2 (UNCHANGEDSINCE 1) FLAGS (\Seen)
S: * 2 FETCH (UID 2 FLAGS () MODSEQ (2))
S: b OK [MODIFIED 2] ~
C: c FETCH 1:3 (FLAGS)
S: * 1 FETCH (FLAGS ())
S: * 2 FETCH (FLAGS ())
S: * 3 FETCH (FLAGS ())
S: c OK ~)"},
      {"§3.1.3, §3.1.12: +FLAGS and -FLAGS fail for the flags they name, not for others that have changed", three_resync,
       R"(C: a STORE 1 +FLAGS.SILENT (\Deleted \Answered)
S: * 1 FETCH (UID 1 MODSEQ (3))
S: a OK ~
C: b STORE 1:2 (UNCHANGEDSINCE 2) +FLAGS.SILENT ($Processed)
S: * FLAGS (\Seen \Answered \Flagged \Draft \Deleted $Processed)
S: * 1 FETCH (UID 1 MODSEQ (4))
S: * 2 FETCH (UID 2 MODSEQ (4))
S: b OK STORE completed
C: c STORE 1 (UNCHANGEDSINCE 2) -FLAGS (\Deleted)
S: * 1 FETCH (UID 1 FLAGS (\Answered \Deleted $Processed) MODSEQ (4))
S: c OK [MODIFIED 1] ~
C: d STORE 1 (UNCHANGEDSINCE 2) +FLAGS.SILENT (\Answered \Seen)
S: * 1 FETCH (UID 1 FLAGS (\Answered \Deleted $Processed) MODSEQ (4))
S: d OK [MODIFIED 1] ~
C: e STORE 1 (UNCHANGEDSINCE 2) FLAGS.SILENT (\Seen)
S: * 1 FETCH (UID 1 FLAGS (\Answered \Deleted $Processed) MODSEQ (4))
S: e OK [MODIFIED 1] ~
C: f STORE 2:3 (UNCHANGEDSINCE 0) +FLAGS.SILENT ($Processed)
S: * 3 FETCH (UID 3 MODSEQ (5))
S: * 2 FETCH (UID 2 FLAGS ($Processed) MODSEQ (4))
S: f OK [MODIFIED 2] ~
C: g STORE 1 (UNCHANGEDSINCE 3) +FLAGS (\Answered \Deleted)
S: * 1 FETCH (UID 1 FLAGS (\Answered \Deleted $Processed) MODSEQ (4))
S: g OK STORE completed
C: h STORE 1 (UNCHANGEDSINCE 3) -FLAGS (\Deleted)
S: * 1 FETCH (UID 1 FLAGS (\Answered $Processed) MODSEQ (6))
S: h OK STORE completed)"},
      {"§3.1.3, §3.1.12: a flag to be added that another has taken away fails, others do not", three_resync,
       R"(D: a SELECT INBOX
S: ...
S: a OK ~
D: b STORE 1 +FLAGS.SILENT (\Flagged)
S: b OK ~
C: c NOOP
S: * 1 FETCH (UID 1 FLAGS (\Flagged) MODSEQ (3))
S: c OK ~
D: d STORE 1 -FLAGS.SILENT (\Flagged)
S: d OK ~
C: e STORE 1 (UNCHANGEDSINCE 3) +FLAGS (\Flagged)
S: * 1 FETCH (UID 1 FLAGS () MODSEQ (4))
S: e OK [MODIFIED 1] ~
C: f STORE 1 (UNCHANGEDSINCE 3) +FLAGS (\Seen)
S: * 1 FETCH (UID 1 FLAGS (\Seen) MODSEQ (5))
S: f OK STORE completed
C: g STORE 1 (UNCHANGEDSINCE 4) +FLAGS (\Flagged)
S: * 1 FETCH (UID 1 FLAGS (\Seen \Flagged) MODSEQ (6))
S: g OK STORE completed)"},
      {"§3.1.3: what others have set is told, to who is refused and to who is not", three_resync,
       R"(D: a SELECT INBOX
S: ...
S: a OK ~
D: b STORE 1 +FLAGS.SILENT ($Processed)
D: c STORE 2 +FLAGS.SILENT (\Deleted \Answered)
S: ...
S: c OK ~
C: d STORE 1:2 (UNCHANGEDSINCE 2) +FLAGS.SILENT ($Processed)
S: * FLAGS ~
S: * 2 FETCH (UID 2 FLAGS (\Answered \Deleted $Processed) MODSEQ (5))
S: * 1 FETCH (UID 1 FLAGS ($Processed) MODSEQ (3))
S: d OK [MODIFIED 1] ~)"},
      {"§3.1.3: a message named twice does not fail the second time", three,
       R"(C: a STORE 1,1:2,1 (UNCHANGEDSINCE 2) +FLAGS.SILENT (\Seen)
S: ...
S: a OK STORE completed)"},
      {"§3.1.5, §3.1.6: SEARCH MODSEQ with its highest, nothing where nothing is found, entry names ignored", three,
       R"(C: a STORE 2 +FLAGS.SILENT (\Seen)
S: a OK ~
C: b SEARCH MODSEQ "/flags/\\draft" all 3
S: * SEARCH 2 (MODSEQ 3)
S: ...
S: b OK ~
C: c SEARCH MODSEQ 4
S: * SEARCH
S: c OK ~
C: d SORT (SIZE) UTF-8 MODSEQ 2
S: * SORT 1 2 3 (MODSEQ 3)
S: d OK ~)"},
      {"§3.1.10, RFC 4731 §3.2: ESEARCH with MODSEQ of what it tells", three,
       R"(C: a STORE 3 +FLAGS.SILENT (\Seen)
S: a OK ~
C: b SEARCH RETURN (MIN) MODSEQ 2
S: * ESEARCH (TAG "b") MIN 1 MODSEQ 2
S: ...
S: b OK ~
C: c SEARCH RETURN (MIN MAX) MODSEQ 2
S: * ESEARCH (TAG "c") MIN 1 MAX 3 MODSEQ 3
S: c OK ~
C: d SEARCH RETURN (COUNT) MODSEQ 9
S: * ESEARCH (TAG "d") COUNT 0
S: d OK ~
C: e SORT RETURN (COUNT) (SIZE) UTF-8 MODSEQ 3
S: * ESEARCH (TAG "e") COUNT 1 MODSEQ 3
S: e OK ~)"},
      {"§3.2.4: once it is enabled, FETCH responses that reading or others cause have UID and MODSEQ", three,
       R"(C: a ENABLE CONDSTORE
S: ...
S: a OK ~
D: b SELECT INBOX
S: ...
S: b OK ~
D: c STORE 2 +FLAGS.SILENT (\Flagged)
S: c OK ~
C: d NOOP
S: * 2 FETCH (UID 2 FLAGS (\Flagged) MODSEQ (3))
S: d OK ~
C: e FETCH 1 BODY[HEADER]
S: * 1 FETCH (BODY[HEADER] {8}
S: A: b
S: 
S:  FLAGS (\Seen) UID 1 MODSEQ (4))
S: e OK ~
C: f FETCH 1 (FLAGS)
S: * 1 FETCH (FLAGS (\Seen))
S: f OK ~)"},
      {"§3.1.2.1: EXAMINE tells HIGHESTMODSEQ too, STATUS the same", three,
       R"(C: a EXAMINE INBOX (CONDSTORE)
S: ...
S: * OK [HIGHESTMODSEQ 2] ~
S: ...
S: a OK [READ-ONLY] ~
C: b STATUS INBOX (HIGHESTMODSEQ)
S: * STATUS INBOX (HIGHESTMODSEQ 2)
S: b OK ~)"},
      {"§3.1.4.1: CHANGEDSINCE tells MODSEQ, and only of what is newer", three,
       R"(C: a STORE 2 +FLAGS.SILENT (\Seen)
S: a OK ~
C: b UID FETCH 1:* (FLAGS) (CHANGEDSINCE 2)
S: * 2 FETCH (UID 2 FLAGS (\Seen) MODSEQ (3))
S: ...
S: b OK ~
C: c FETCH 1:* (FLAGS) (CHANGEDSINCE x)
S: c BAD ~
C: d FETCH 1:* (FLAGS) (NOSUCH 1)
S: d BAD ~)"},
  });
}

TEST_CASE("imap clauses: QRESYNC (RFC 7162 §3.2)") {
  check_clauses({
      {"§3.2.3, §3.2.5, §3.2.6: not before it is enabled", three,
       R"(C: a SELECT INBOX (QRESYNC (1767225600 1))
S: a BAD ~
C: b UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)
S: b BAD ~
C: c ENABLE QRESYNC CONDSTORE
S: * ENABLED CONDSTORE QRESYNC
S: * OK [HIGHESTMODSEQ 2] ~
S: c OK ~
C: d UID FETCH 1:* (FLAGS) (CHANGEDSINCE 2 VANISHED)
S: d OK ~)"},
      {"§3.2.6: VANISHED is for UID FETCH with CHANGEDSINCE alone", three_resync,
       R"(C: a FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)
S: a BAD ~
C: b UID FETCH 1:* (FLAGS) (VANISHED)
S: b BAD ~)"},
      {"§3.2.6: 1:* has what was the last, and VANISHED comes before FETCH", three_resync,
       R"(C: a UID STORE 3 +FLAGS.SILENT (\Deleted)
C: b EXPUNGE
C: c UID STORE 1 +FLAGS.SILENT (\Seen)
S: ...
S: c OK ~
C: d UID FETCH 1:* (FLAGS) (CHANGEDSINCE 2 VANISHED)
S: * VANISHED (EARLIER) 3
S: * 1 FETCH (UID 1 FLAGS (\Seen) MODSEQ (5))
S: d OK ~
C: e UID FETCH 1:2 (FLAGS) (CHANGEDSINCE 2 VANISHED)
S: * 1 FETCH (UID 1 FLAGS (\Seen) MODSEQ (5))
S: e OK ~)"},
      {"§3.2.6: also where nothing is left", three_resync,
       R"(C: a STORE 1:3 +FLAGS.SILENT (\Deleted)
C: b EXPUNGE
S: ...
S: b OK ~
C: c UID FETCH 1:* (FLAGS) (CHANGEDSINCE 2 VANISHED)
S: * VANISHED (EARLIER) 1:3
S: c OK ~)"},
      {"§3.2.7, §3.2.9: EXPUNGE and UID EXPUNGE say VANISHED and HIGHESTMODSEQ, not where nothing went", three_resync,
       R"(C: a STORE 1,3 +FLAGS.SILENT (\Deleted)
S: ...
S: a OK ~
C: b UID EXPUNGE 3
S: * VANISHED 3
S: b OK [HIGHESTMODSEQ 4] ~
C: c EXPUNGE
S: * VANISHED 1
S: c OK [HIGHESTMODSEQ 5] ~
C: d EXPUNGE
S: d OK EXPUNGE completed)"},
      {"§3.2.8: CLOSE says neither", three_resync,
       R"(C: a STORE 1 +FLAGS.SILENT (\Deleted)
S: ...
S: a OK ~
C: b CLOSE
S: b OK CLOSE completed)"},
      {"§3.2.10.2: what others expunge is VANISHED, once, and only what the client knew", three_resync,
       R"(D: a SELECT INBOX
S: ...
S: a OK ~
D: b APPEND INBOX (\Deleted) {3+}
D: x
D: 
S: ...
S: b OK ~
D: c UID STORE 2 +FLAGS.SILENT (\Deleted)
D: d EXPUNGE
S: ...
S: d OK ~
C: e NOOP
S: * VANISHED 2
S: e OK ~
C: f NOOP
S: f OK ~)"},
      {"§3.2.10.2: not during FETCH, STORE and SEARCH by number, nor UID SEARCH with numbers", three_resync,
       R"(D: a SELECT INBOX
S: ...
S: a OK ~
D: b UID STORE 2 +FLAGS.SILENT (\Deleted)
D: c EXPUNGE
S: ...
S: c OK ~
C: d FETCH 1 FLAGS
S: * 1 FETCH (FLAGS ())
S: d OK ~
C: e UID SEARCH 1:2 UNDELETED
S: * SEARCH 1~
S: e OK ~
C: f UID SORT (SIZE) UTF-8 OR 1 NOT 2
S: * SORT ~
S: f OK ~
C: g UID SEARCH UNDELETED
S: * SEARCH 1 3
S: * VANISHED 2
S: g OK ~)"},
      {"§3.2, §6: flags newer than expunges held back come with the HIGHESTMODSEQ to rely on, and with the real one later", three_resync,
       R"(D: a SELECT INBOX
S: ...
S: a OK ~
D: b UID STORE 2 +FLAGS.SILENT (\Deleted)
D: c EXPUNGE
S: ...
S: c OK ~
C: d STORE 3 +FLAGS.SILENT (\Seen)
S: * 3 FETCH (UID 3 MODSEQ (5))
S: d OK [HIGHESTMODSEQ 2] ~
C: e STORE 1:3 (UNCHANGEDSINCE 2) +FLAGS.SILENT (\Flagged)
S: ...
S: * OK [HIGHESTMODSEQ 2] ~
S: e ~ [~] ~
C: f NOOP
S: * VANISHED 2
S: f OK [HIGHESTMODSEQ 6] ~
C: g STORE 1 +FLAGS.SILENT (\Draft)
S: * 1 FETCH (UID 1 MODSEQ (7))
S: g OK STORE completed)"},
      {"§3.2.5: another UIDVALIDITY and nothing else is told", three_resync,
       R"(C: a STORE 1 +FLAGS.SILENT (\Seen)
S: ...
S: a OK ~
C: b SELECT INBOX (QRESYNC (1 1))
S: * OK [CLOSED] ~
S: * FLAGS ~
S: * OK [PERMANENTFLAGS ~
S: * 3 EXISTS
S: * 0 RECENT
S: * OK [UNSEEN ~
S: * OK [UIDVALIDITY ~
S: * OK [UIDNEXT ~
S: * OK [HIGHESTMODSEQ 3] ~
S: * OK [MAILBOXID ~
S: b OK [READ-WRITE] ~)"},
      {"§3.2.5.1: expunges and flags since then, with UIDs, of the UIDs known", three_resync,
       R"(C: a STORE 1 +FLAGS.SILENT (\Deleted)
C: b EXPUNGE
C: c UID STORE 2:3 +FLAGS.SILENT (\Seen)
S: ...
S: c OK ~
C: d SELECT INBOX (QRESYNC (1767225600 2))
S: ...
S: * VANISHED (EARLIER) 1
S: * 1 FETCH (UID 2 FLAGS (\Seen) MODSEQ (5))
S: * 2 FETCH (UID 3 FLAGS (\Seen) MODSEQ (5))
S: d OK ~
C: e EXAMINE INBOX (QRESYNC (1767225600 2 3:99))
S: ...
S: * OK [MAILBOXID ~
S: * 2 FETCH (UID 3 FLAGS (\Seen) MODSEQ (5))
S: e OK [READ-ONLY] ~
C: f SELECT INBOX (QRESYNC (1767225600 2 1:3 (1,2 2,3)))
S: ...
S: * VANISHED (EARLIER) 1
S: ...
S: f OK ~
C: g SELECT INBOX (CONDSTORE QRESYNC (1767225600 5))
S: ...
S: * OK [MAILBOXID ~
S: g OK ~)"},
      {"§7: known UIDs have no *, a mod-sequence is not 0", three_resync,
       R"(C: a SELECT INBOX (QRESYNC (1767225600 2 1:*))
S: a BAD ~
C: b SELECT INBOX (QRESYNC (1767225600 0))
S: b BAD ~
C: c SELECT INBOX (QRESYNC (1767225600 2) QRESYNC (1767225600 2))
S: c BAD ~)"},
      {"§3.2.11: CLOSED between the mailboxes", three_resync,
       R"(C: a SELECT Archive
S: * OK [CLOSED] ~
S: ...
S: a OK ~)"},
      {"§3.2.4: STORE by number has the UID, FETCH does not where it is not asked for", three_resync,
       R"(C: a STORE 1 +FLAGS (\Seen)
S: * 1 FETCH (UID 1 FLAGS (\Seen) MODSEQ (3))
S: a OK ~
C: b FETCH 1 (FLAGS)
S: * 1 FETCH (FLAGS (\Seen))
S: b OK ~)"},
  });
}

TEST_CASE("imap clauses: UTF8=ACCEPT, COMPRESS and others (RFC 6855, RFC 4978, RFC 7888, RFC 8474)") {
  check_clauses({
      {"RFC 6855 §3: no charset once it is enabled, and broken UTF-8 is BAD", R"(p ENABLE UTF8=ACCEPT
p SELECT INBOX)",
       R"(C: a SEARCH CHARSET UTF-8 TEXT x
S: a BAD ~
C: b SEARCH TEXT "grün"
S: * SEARCH
S: b OK ~)"},
      {"RFC 6855 §4: APPEND with UTF8 only once it is enabled", {},
       R"(C: a APPEND INBOX UTF8 (~{14}
S: a BAD ~
C: b ENABLE UTF8=ACCEPT
S: * ENABLED UTF8=ACCEPT
S: b OK ~
C: c APPEND INBOX UTF8 (~{15+}
C: Subject: ü
C: 
C: )
S: c OK [APPENDUID ~ 1] ~
C: d SELECT INBOX
S: ...
S: d OK ~
C: e FETCH 1 ENVELOPE
S: * 1 FETCH (ENVELOPE (NIL "ü" NIL NIL NIL NIL NIL NIL NIL NIL))
S: e OK ~)"},
      {"RFC 6855 §3: without it no UTF-8 in quoted strings", R"(p APPEND INBOX {15+}
Subject: ü


p SELECT INBOX)",
       R"(C: a FETCH 1 ENVELOPE
S: * 1 FETCH (ENVELOPE (NIL {2}
S: ü NIL NIL NIL NIL NIL NIL NIL NIL))
S: a OK ~)"},
      {"RFC 4978 §3: no mechanism but DEFLATE", {},
       R"(C: a COMPRESS LZMA
S: a BAD ~
C: b COMPRESS
S: b BAD ~)"},
      {"RFC 4466 §2: parameters, modifiers and options that are not known are BAD, wherever there may be some", three,
       R"(C: a CREATE foo (BLAH)
C: b RENAME INBOX foo (BLAH 1)
C: c SELECT INBOX (CONDSTORE BLAH (1 2))
C: d EXAMINE INBOX ()
C: e FETCH 1 FLAGS (BLAH 1)
C: f STORE 1 (BLAH) +FLAGS (\Seen)
C: g SEARCH RETURN (BLAH) ALL
C: h FETCH 1 FLAGS
S: a BAD ~
S: b BAD ~
S: c BAD ~
S: d BAD ~
S: e BAD ~
S: f BAD ~
S: g BAD ~
S: * 1 FETCH (FLAGS ())
S: h OK ~)"},
      {"RFC 4466 §2.6.1, RFC 4731 §3.1: RETURN without options is RETURN (ALL)", three,
       R"(C: a SEARCH RETURN () 2:3
S: * ESEARCH (TAG "a") ALL 2:3
S: a OK ~
C: b UID SEARCH RETURN () UID 4294967295
S: * ESEARCH (TAG "b") UID~
S: b OK ~)"},
      {"RFC 2971 §3.3: names of 30 octets, values of 1024, 30 pairs, NIL for any value or all; no more", {},
       R"(N: a ID NIL
S: * ID ("name" "Keystone Mail")
S: a OK ~
N: b ID ("name" NIL "version" "")
S: * ID ~
S: b OK ~
N: c ID ("a234567890123456789012345678901" "x")
S: c BAD ~
N: d ID ("name")
S: d BAD ~
N: e ID ("1" "" "2" "" "3" "" "4" "" "5" "" "6" "" "7" "" "8" "" "9" "" "10" "" "11" "" "12" "" "13" "" "14" "" "15" "" "16" "" "17" "" "18" "" "19" "" "20" "" "21" "" "22" "" "23" "" "24" "" "25" "" "26" "" "27" "" "28" "" "29" "" "30" "" "31" "")
S: e BAD ~)"},
      {"RFC 3502 §6.3.11: each message has flags and a date of its own, and no mailbox is made for any", {},
       R"(C: a APPEND INBOX (\Seen) {3+}
C: one (\Flagged) "05-Mar-2001 06:07:08 +0000" {3+}
C: two {5+}
C: three
S: a OK [APPENDUID ~ 1:3] ~
C: b SELECT INBOX
S: ...
S: b OK ~
C: c FETCH 1:3 (FLAGS RFC822.SIZE)
S: * 1 FETCH (FLAGS (\Seen) RFC822.SIZE 3)
S: * 2 FETCH (FLAGS (\Flagged) RFC822.SIZE 3)
S: * 3 FETCH (FLAGS () RFC822.SIZE 5)
S: c OK ~
C: d FETCH 2 INTERNALDATE
S: * 2 FETCH (INTERNALDATE "05-Mar-2001 06:07:08 +0000")
S: d OK ~
C: e APPEND Nowhere {3+}
C: one {3+}
C: two
S: e NO [TRYCREATE] ~
C: f STATUS Nowhere (MESSAGES)
S: f NO ~)"},
      {"RFC 8474 §4.1, §4.2, §4.3: CREATE, SELECT and STATUS tell the same MAILBOXID, and two mailboxes never have one", {},
       R"(C: a CREATE Foo
S: a OK [MAILBOXID (F7)] ~
C: b SELECT Foo
S: ...
S: * OK [MAILBOXID (F7)] ~
S: ...
S: b OK ~
C: c STATUS Foo (MAILBOXID)
S: * STATUS Foo (MAILBOXID (F7))
S: c OK ~
C: d DELETE Foo
S: d OK ~
C: e CREATE Foo
S: e OK [MAILBOXID (F8)] ~
C: f RENAME INBOX Bar
S: f OK ~
C: g LIST "" (INBOX Bar) RETURN (STATUS (MAILBOXID))
S: * LIST ~ Bar
S: * STATUS Bar (MAILBOXID (F9))
S: * LIST ~ INBOX
S: * STATUS INBOX (MAILBOXID (F1))
S: g OK ~)"},
      {"RFC 8474 §5.2, §5.3, §6: THREADID is that of the message whose copy it is, differs from EMAILID, and is searched for", three,
       R"(C: a COPY 2 INBOX
S: ...
S: a OK ~
C: b FETCH 2,4 (EMAILID THREADID)
S: * 2 FETCH (EMAILID (M2) THREADID (T2))
S: * 4 FETCH (EMAILID (M2) THREADID (T2))
S: b OK ~
C: c SEARCH THREADID T2
S: * SEARCH 2 4
S: c OK ~
C: d SEARCH OR EMAILID M1 THREADID T3
S: * SEARCH 1 3
S: d OK ~
C: e SEARCH EMAILID none
S: * SEARCH
S: e OK ~
C: f MOVE 1 INBOX
S: ...
S: f OK ~
C: g SEARCH EMAILID M1
S: * SEARCH 4
S: g OK ~)"},
      {"RFC 8474 §5.1: a copy has the same EMAILID, and is found by it", three,
       R"(C: a COPY 1 Archive
S: a OK ~
C: b SELECT Archive
S: ...
S: b OK ~
C: c FETCH 1 (EMAILID)
S: * 1 FETCH (EMAILID (M1))
S: c OK ~
C: d SEARCH EMAILID M1
S: * SEARCH 1
S: d OK ~)"},
      {"RFC 8514 §3: what was saved now was saved now, whatever its internal date", R"(p APPEND INBOX "01-Jan-2001 00:00:00 +0000" {3+}
x

p SELECT INBOX)",
       R"(C: a FETCH 1 (SAVEDATE INTERNALDATE)
S: * 1 FETCH (SAVEDATE "01-Jan-2026 ~" INTERNALDATE "01-Jan-2001 00:00:00 +0000")
S: a OK ~
C: b SEARCH SAVEDSINCE 1-Jan-2026 BEFORE 2-Jan-2001
S: * SEARCH 1
S: b OK ~)"},
  });
}

TEST_CASE("imap clients: what Thunderbird, Apple Mail, Outlook and others send") {
  check_clauses({
      {"Thunderbird: after login, with LIST-EXTENDED", {},
       R"(C: 2 ID ("name" "Thunderbird" "version" "128.0")
S: * ID ~
S: 2 OK ~
C: 3 ENABLE CONDSTORE UTF8=ACCEPT
S: * ENABLED UTF8=ACCEPT CONDSTORE
S: 3 OK ~
C: 4 namespace
S: * NAMESPACE ~
S: 4 OK ~
C: 5 list (subscribed) "" "*" return (special-use)
S: * LIST (\HasNoChildren \Subscribed \Archive) "/" Archive
S: ...
S: 5 OK ~
C: 6 select "INBOX" (CONDSTORE)
S: ...
S: 6 OK [READ-WRITE] ~
C: 7 getquotaroot "INBOX"
S: * QUOTAROOT INBOX
S: 7 OK ~
C: 8 UID fetch 1:* (FLAGS)
S: 8 OK ~
C: 9 IDLE
S: + ~
C: DONE
S: 9 OK ~)"},
      {"Thunderbird: headers of new messages, then a body in chunks", three,
       R"(C: 1 UID fetch 1 (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID Priority X-Priority References Newsgroups In-Reply-To Content-Type Reply-To)])
S: * 1 FETCH (UID 1 RFC822.SIZE 11 FLAGS () BODY[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID Priority X-Priority References Newsgroups In-Reply-To Content-Type Reply-To)] {2}
S: 
S: )
S: 1 OK ~
C: 2 UID fetch 1 (UID RFC822.SIZE BODY[]<0.65536>)
S: * 1 FETCH (UID 1 RFC822.SIZE 11 BODY[]<0> {11}
S: A: b
S: 
S: 1
S:  FLAGS (\Seen))
S: 2 OK ~
C: 3 UID store 1 +Flags (\Deleted \Seen)
S: * 1 FETCH (UID 1 FLAGS (\Seen \Deleted))
S: 3 OK ~)"},
      {"Apple Mail: STATUS of what is selected, pipelined with others", three,
       R"(C: 3.1 STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY UNSEEN HIGHESTMODSEQ)
C: 4.1 UID SEARCH RETURN (ALL) 1:* NOT DELETED
C: 5.1 FETCH 1:3 (FLAGS UID MODSEQ)
S: * STATUS INBOX (MESSAGES 3 UIDNEXT 4 UIDVALIDITY 1767225600 UNSEEN 3 HIGHESTMODSEQ 2)
S: * OK [HIGHESTMODSEQ 2] ~
S: 3.1 OK ~
S: * ESEARCH (TAG "4.1") UID ALL 1:3
S: 4.1 OK ~
S: * 1 FETCH (UID 1 FLAGS () MODSEQ (2))
S: * 2 FETCH (UID 2 FLAGS () MODSEQ (2))
S: * 3 FETCH (UID 3 FLAGS () MODSEQ (2))
S: 5.1 OK ~)"},
      {"Outlook: XLIST where it is not announced, then LIST; a folder of its own", {},
       R"(C: a XLIST "" "*"
S: a BAD ~
C: b LIST "" ""
S: * LIST (\Noselect) "/" ""
S: b OK ~
C: c LIST "" "INBOX"
S: * LIST (\HasNoChildren) "/" INBOX
S: c OK ~
C: d LSUB "" "*"
S: * LSUB () "/" Archive
S: ...
S: d OK ~
C: e CREATE "Sync Issues"
S: e OK ~
C: f SUBSCRIBE "Sync Issues"
S: f OK ~
C: g STATUS "Sync Issues" (UIDVALIDITY UIDNEXT MESSAGES)
S: * STATUS "Sync Issues" (MESSAGES 0 UIDNEXT 1 UIDVALIDITY ~)
S: g OK ~)"},
      {"mutt: headers by number, CHECK, flags with and without parentheses", three,
       R"(C: a0001 FETCH 1:3 (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (DATE FROM SENDER SUBJECT TO CC MESSAGE-ID REFERENCES CONTENT-TYPE CONTENT-DESCRIPTION IN-REPLY-TO REPLY-TO LINES LIST-POST X-LABEL)])
S: * 1 FETCH (UID 1 FLAGS () INTERNALDATE ~
S: ...
S: a0001 OK ~
C: a0002 CHECK
S: a0002 OK ~
C: a0003 UID STORE 1:2 +FLAGS.SILENT (\Seen Old)
S: * FLAGS (~ Old)
S: a0003 OK ~
C: a0004 UID COPY 1 "Archive"
S: a0004 OK [COPYUID ~] ~
C: a0005 STORE 3 +FLAGS \Deleted
S: * 3 FETCH (FLAGS (\Deleted))
S: a0005 OK ~
C: a0006 EXPUNGE
S: * 3 EXPUNGE
S: a0006 OK ~)"},
      {"mbsync: an odd date, an id to find the message by", {},
       R"(C: 6 SELECT "INBOX"
S: ...
S: 6 OK ~
C: 7 APPEND "INBOX" (\Seen) " 1-Feb-2024 03:04:05 +0100" {30+}
C: X-TUID: AbCdEfGhIjKl
C: 
C: body
C: 
S: * 1 EXISTS
S: 7 OK [APPENDUID 1767225600 1] ~
C: 8 UID SEARCH HEADER X-TUID AbCdEfGhIjKl
S: * SEARCH 1
S: 8 OK ~
C: 9 UID FETCH 1:1000 (UID FLAGS RFC822.SIZE BODY.PEEK[HEADER.FIELDS (X-TUID MESSAGE-ID)])
S: * 1 FETCH (UID 1 FLAGS (\Seen) RFC822.SIZE 30 BODY[HEADER.FIELDS (X-TUID MESSAGE-ID)] {24}
S: X-TUID: AbCdEfGhIjKl
S: 
S: )
S: 9 OK ~)"},
      {"K-9: deleted or not, parts by section, chunks", three,
       R"(C: 1 UID SEARCH 1:* NOT DELETED
S: * SEARCH 1 2 3
S: 1 OK ~
C: 2 UID FETCH 1,2 (UID INTERNALDATE RFC822.SIZE BODYSTRUCTURE FLAGS)
S: * 1 FETCH (UID 1 INTERNALDATE ~ RFC822.SIZE 11 BODYSTRUCTURE ("text" "plain" ~) FLAGS ())
S: * 2 FETCH ~
S: 2 OK ~
C: 3 UID FETCH 1 (UID BODY.PEEK[TEXT]<0.32768>)
S: * 1 FETCH (UID 1 BODY[TEXT]<0> {3}
S: 1
S: )
S: 3 OK ~
C: 4 UID SEARCH HEADER MESSAGE-ID "<nobody@example.test>"
S: * SEARCH
S: 4 OK ~)"},
      {"Roundcube: sorted and threaded lists, counts, quota", three,
       R"(C: A0001 LIST "" "*" RETURN (SUBSCRIBED SPECIAL-USE)
S: * LIST (\HasNoChildren \Subscribed \Archive) "/" Archive
S: ...
S: A0001 OK ~
C: A0002 UID SORT RETURN (ALL COUNT) (REVERSE ARRIVAL) UTF-8 ALL UNDELETED
S: * ESEARCH (TAG "A0002") UID ALL ~ COUNT 3
S: A0002 OK ~
C: A0003 UID THREAD REFERENCES US-ASCII UNDELETED
S: * THREAD (~)
S: A0003 OK ~
C: A0004 UID SEARCH RETURN (COUNT) UNSEEN
S: * ESEARCH (TAG "A0004") UID COUNT 3
S: A0004 OK ~
C: A0005 GETQUOTAROOT INBOX
S: * QUOTAROOT INBOX
S: A0005 OK ~
C: A0006 UID SEARCH CHARSET UTF-8 OR OR HEADER SUBJECT {5+}
C: grün HEADER FROM {5+}
C: grün TEXT 2
S: * SEARCH 2
S: A0006 OK ~)"},
      {"fetchmail: sizes, header and text apart, deleted by number", three,
       R"(C: A1 FETCH 1:3 RFC822.SIZE
S: * 1 FETCH (RFC822.SIZE 11)
S: * 2 FETCH (RFC822.SIZE 11)
S: * 3 FETCH (RFC822.SIZE 11)
S: A1 OK ~
C: A2 FETCH 1 RFC822.HEADER
S: * 1 FETCH (RFC822.HEADER {8}
S: A: b
S: 
S: )
S: A2 OK ~
C: A3 FETCH 1 RFC822.TEXT
S: * 1 FETCH (RFC822.TEXT {3}
S: 1
S:  FLAGS (\Seen))
S: A3 OK ~
C: A4 STORE 1 +FLAGS (\Deleted)
S: * 1 FETCH (FLAGS (\Seen \Deleted))
S: A4 OK ~
C: A5 SEARCH UNSEEN NOT DELETED
S: * SEARCH 2 3
S: A5 OK ~)"},
      {"scripts: keys in parentheses, dates in quotes, sets in any order", three,
       R"(C: a SEARCH CHARSET UTF-8 (SINCE "01-Jan-2026" (UNSEEN NOT DELETED))
S: * SEARCH 1 2 3
S: a OK ~
C: b FETCH 3,1 (UID)
S: * 1 FETCH (UID 1)
S: * 3 FETCH (UID 3)
S: b OK ~
C: c FETCH 3:2 (UID)
S: * 2 FETCH (UID 2)
S: * 3 FETCH (UID 3)
S: c OK ~
C: d UID FETCH *:1 (FLAGS)
S: * 1 FETCH (UID 1 FLAGS ())
S: ...
S: d OK ~)"},
      {"KMail and others: what is not announced is BAD, and the session goes on", three,
       R"(C: a GETACL INBOX
S: a BAD ~
C: b GETANNOTATION INBOX "*" "value.shared"
S: b BAD ~
C: c UID SEARCH X-GM-RAW "x"
S: c BAD ~
C: d FETCH 1 (X-GM-LABELS)
S: d BAD ~
C: e NOTIFY SET
S: e BAD ~
C: f NOOP
S: f OK ~)"},
      {"imapsync: sizes and dates of all, flags copied from elsewhere", three,
       R"(C: 1 SEARCH ALL
S: * SEARCH 1 2 3
S: 1 OK ~
C: 2 FETCH 1:3 (RFC822.SIZE INTERNALDATE FLAGS UID)
S: * 1 FETCH (RFC822.SIZE 11 INTERNALDATE ~ FLAGS () UID 1)
S: ...
S: 2 OK ~
C: 3 APPEND Archive (\Recent \Seen NonJunk $label1) "1-Feb-2024 03:04:05 +0100" {3+}
C: x
C: 
S: 3 OK ~
C: 4 UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (Message-Id Received)] RFC822.HEADER)
S: ...
S: 4 OK ~)"},
      {"names of folders: modified UTF-7 at first, UTF-8 once IMAP4rev2 is enabled", {},
       R"(C: a CREATE "Gel&APY-scht"
S: a OK ~
C: b LIST "" "Gel*"
S: * LIST (\HasNoChildren) "/" Gel&APY-scht
S: b OK ~
C: c ENABLE IMAP4rev2
S: * ENABLED IMAP4rev2
S: c OK ~
C: d LIST "" "Gel*"
S: * LIST (\HasNoChildren) "/" "Gelöscht"
S: d OK ~)"},
  });
}

TEST_CASE_FIXTURE(ImapFixture, "imap clauses: CAPABILITY is the same before and after ENABLE (RFC 9051 §6.3.1)") {
  auto& client = connect();
  (void)client.heard();
  client.log_in();
  const std::string before = client.say("1 CAPABILITY\r\n");
  (void)client.say("2 ENABLE IMAP4rev2 QRESYNC UTF8=ACCEPT\r\n");
  CHECK(client.say("1 CAPABILITY\r\n") == before);
}

TEST_CASE_FIXTURE(ImapFixture, "imap clauses: when no keyword can be made any more, PERMANENTFLAGS loses \\* (RFC 9051 §7.1)") {
  auto& client = open();
  (void)client.append("Subject: x\r\n\r\n");
  constexpr std::size_t at_once = 128;
  std::string told;
  for (std::size_t made = 0; made < mailstore::limits::keywords_per_account_max; made += at_once) {
    std::string flags;
    for (std::size_t i = 0; i < at_once; ++i) flags += " k" + std::to_string(made + i);
    told = client.say("1 STORE 1 FLAGS.SILENT" + flags + "\r\n");
    REQUIRE_MESSAGE(has(told, "1 OK"), told);
    const bool last = made + at_once == mailstore::limits::keywords_per_account_max;
    CHECK(has(told, "[PERMANENTFLAGS (") == last);
  }
  CHECK_FALSE(has(told, "\\*"));
  const std::string refused = client.say("2 STORE 1 +FLAGS (one-more)\r\n");
  CHECK(has(refused, "2 NO [LIMIT]"));
  CHECK(has(refused, "[PERMANENTFLAGS ("));
  CHECK_FALSE(has(client.say("3 SELECT INBOX\r\n"), "\\*"));
  CHECK(has(client.say("4 STORE 1 FLAGS (k4095)\r\n"), "4 OK"));  // those that there are stay
}

TEST_CASE_FIXTURE(ImapFixture, "imap clients: mistakes spread over a long session do not end it, mistakes alone do") {
  auto& client = open();
  for (int i = 0; i < 200; ++i) {
    CHECK(has(client.say("1 FETCH 1:* (FLAGS)\r\n"), "1 BAD"));  // as clients poll an empty mailbox
    CHECK(has(client.say("2 NOOP\r\n"), "2 OK"));
  }
  std::string answer;
  for (int i = 0; i < 20; ++i) answer = client.say("3 NONSENSE\r\n");
  CHECK(has(answer, "* BYE"));
}
