// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What clients see, to the letter: dialogues that the RFCs prescribe, each read against the section it is named for. Lines
// with "C:" are sent, those with "S:" must come back, all of them and nothing else.
#include "service/imap/fixture.hpp"

using namespace keystonemail;
using namespace keystonemail::service::imap::testing;

namespace {

// The next run of lines that begin with `mark`, without it, each with its CRLF.
std::string take(std::string_view& script, std::string_view mark) {
  std::string text;
  while (script.starts_with(mark)) {
    const auto end = script.find('\n');
    text.append(script.substr(mark.size(), end - mark.size()));
    text += "\r\n";
    script.remove_prefix(end + 1);
  }
  return text;
}

void replay(std::string_view script) {
  ImapFixture fixture;
  auto& client = fixture.connect();
  (void)client.heard();
  client.log_in();
  script.remove_prefix(1);  // the line end behind the opening quote
  while (!script.empty()) {
    const std::string said = take(script, "C: ");
    const std::string expected = take(script, "S: ");
    REQUIRE(!said.empty());
    CAPTURE(said);
    CHECK(client.say(said) == expected);
  }
}

}  // namespace

TEST_CASE("imap conformance: LIST, CREATE, DELETE and RENAME (RFC 9051 §6.3.4 to §6.3.6, §6.3.9)") {
  replay(R"(
C: a1 NAMESPACE
S: * NAMESPACE (("" "/")) NIL NIL
S: a1 OK NAMESPACE completed
C: a2 LIST "" ""
S: * LIST (\Noselect) "/" ""
S: a2 OK LIST completed
C: a3 CREATE foo/bar
S: a3 OK [MAILBOXID (F8)] CREATE completed
C: a4 CREATE foo/bar
S: a4 NO [ALREADYEXISTS] There is such a mailbox already
C: a5 CREATE inbox
S: a5 NO [ALREADYEXISTS] There is such a mailbox already
C: a6 CREATE x/
S: a6 OK [MAILBOXID (F9)] CREATE completed
C: a7 LIST "foo/" %
S: * LIST (\HasNoChildren) "/" foo/bar
S: a7 OK LIST completed
C: a8 LIST "" "f%"
S: * LIST (\HasChildren) "/" foo
S: a8 OK LIST completed
C: a9 DELETE foo
S: a9 NO [HASCHILDREN] The mailbox has others below it
C: b1 RENAME foo baz/qux
S: b1 OK RENAME completed
C: b2 LIST "" "ba*"
S: * LIST (\HasChildren) "/" baz
S: * LIST (\HasChildren) "/" baz/qux
S: * LIST (\HasNoChildren) "/" baz/qux/bar
S: b2 OK LIST completed
C: b3 RENAME nowhere there
S: b3 NO [NONEXISTENT] No such mailbox
C: b4 RENAME baz/qux Archive
S: b4 NO [ALREADYEXISTS] There is one already
C: b5 RENAME baz/qux baz/qux/deeper
S: b5 NO [CANNOT] Not possible with such a name or value
C: b6 DELETE INBOX
S: b6 NO [CANNOT] Not possible with this mailbox
C: b7 DELETE nowhere
S: b7 NO [NONEXISTENT] No such mailbox
C: b8 CREATE "a//b"
S: b8 NO [CANNOT] Not possible with such a name or value
C: b9 CREATE ""
S: b9 NO [CANNOT] Not possible with such a name or value
C: c1 CREATE INBOX/child
S: c1 OK [MAILBOXID (F11)] CREATE completed
C: c2 LIST "" InBoX*
S: * LIST (\HasChildren) "/" INBOX
S: c2 OK LIST completed
C: c3 LIST "INBOX/" "%"
S: * LIST (\HasNoChildren) "/" INBOX/child
S: c3 OK LIST completed
C: c4 RENAME INBOX old
S: c4 OK RENAME completed
C: c5 LIST "" "*ld*"
S: * LIST (\HasNoChildren) "/" INBOX/child
S: * LIST (\HasNoChildren) "/" old
S: c5 OK LIST completed
)");
}

TEST_CASE("imap conformance: a deleted mailbox's name comes back with a greater UIDVALIDITY (RFC 9051 §6.3.5)") {
  replay(R"(
C: a1 CREATE top
S: a1 OK [MAILBOXID (F7)] CREATE completed
C: a2 STATUS top (UIDVALIDITY UIDNEXT)
S: * STATUS top (UIDNEXT 1 UIDVALIDITY 1767225606)
S: a2 OK STATUS completed
C: a3 DELETE top
S: a3 OK DELETE completed
C: a4 CREATE top
S: a4 OK [MAILBOXID (F8)] CREATE completed
C: a5 STATUS top (UIDVALIDITY UIDNEXT)
S: * STATUS top (UIDNEXT 1 UIDVALIDITY 1767225607)
S: a5 OK STATUS completed
C: a6 SELECT top
S: * FLAGS (\Seen \Answered \Flagged \Draft \Deleted)
S: * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Draft \Deleted \*)] Flags permitted
S: * 0 EXISTS
S: * 0 RECENT
S: * OK [UIDVALIDITY 1767225607] UIDs valid
S: * OK [UIDNEXT 1] Predicted next UID
S: * OK [HIGHESTMODSEQ 4] Highest
S: * OK [MAILBOXID (F8)] Id of this mailbox
S: a6 OK [READ-WRITE] SELECT completed
C: a7 DELETE top
S: a7 OK DELETE completed
C: a8 FETCH 1 FLAGS
S: a8 BAD Command not allowed in this state
)");
}

TEST_CASE("imap conformance: subscriptions, LIST-EXTENDED and LIST-STATUS (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 3501 §6.3.9)") {
  replay(R"(
C: a1 SUBSCRIBE nowhere
S: a1 NO [NONEXISTENT] No such mailbox
C: a2 CREATE p/q
S: a2 OK [MAILBOXID (F8)] CREATE completed
C: a3 UNSUBSCRIBE p
S: a3 OK UNSUBSCRIBE completed
C: a4 UNSUBSCRIBE Archive
S: a4 OK UNSUBSCRIBE completed
C: a5 LSUB "" %
S: * LSUB () "/" Drafts
S: * LSUB () "/" INBOX
S: * LSUB () "/" Junk
S: * LSUB () "/" Sent
S: * LSUB () "/" Trash
S: * LSUB (\Noselect) "/" p
S: a5 OK LSUB completed
C: a6 LIST (SUBSCRIBED) "" p*
S: * LIST (\HasNoChildren \Subscribed) "/" p/q
S: a6 OK LIST completed
C: a7 LIST (SUBSCRIBED RECURSIVEMATCH) "" p%
S: * LIST (\HasChildren) "/" p ("CHILDINFO" ("SUBSCRIBED"))
S: a7 OK LIST completed
C: a8 LIST "" p RETURN (SUBSCRIBED CHILDREN)
S: * LIST (\HasChildren) "/" p
S: a8 OK LIST completed
C: a9 LIST (RECURSIVEMATCH) "" %
S: a9 BAD Unknown or misplaced LIST option
C: b1 LIST "" (INBOX "p*") RETURN (CHILDREN STATUS (MESSAGES UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE))
S: * LIST (\HasNoChildren) "/" INBOX
S: * STATUS INBOX (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 1767225600 UNSEEN 0 DELETED 0 SIZE 0)
S: * LIST (\HasChildren) "/" p
S: * STATUS p (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 1767225606 UNSEEN 0 DELETED 0 SIZE 0)
S: * LIST (\HasNoChildren) "/" p/q
S: * STATUS p/q (MESSAGES 0 UIDNEXT 1 UIDVALIDITY 1767225607 UNSEEN 0 DELETED 0 SIZE 0)
S: b1 OK LIST completed
C: b2 LIST (SPECIAL-USE) "" *
S: * LIST (\HasNoChildren \Archive) "/" Archive
S: * LIST (\HasNoChildren \Drafts) "/" Drafts
S: * LIST (\HasNoChildren \Junk) "/" Junk
S: * LIST (\HasNoChildren \Sent) "/" Sent
S: * LIST (\HasNoChildren \Trash) "/" Trash
S: b2 OK LIST completed
C: b3 CREATE mine (USE (\Archive))
S: b3 NO [USEATTR] Another mailbox has this special use
C: b4 CREATE mine (USE (\Important))
S: b4 OK [MAILBOXID (F9)] CREATE completed
C: b5 LIST (SPECIAL-USE) "" mine RETURN (SPECIAL-USE)
S: * LIST (\HasNoChildren \Important) "/" mine
S: b5 OK LIST completed
)");
}

TEST_CASE("imap conformance: SELECT, EXAMINE, STATUS, CLOSE and UNSELECT (RFC 9051 §6.3.2, §6.3.3, §6.3.11, §6.4.1, §6.4.2)") {
  replay(R"(
C: a1 APPEND Archive {11+}
C: A: b
C: 
C: 1
C:  (\Seen) {11+}
C: A: b
C: 
C: 2
C: 
S: a1 OK [APPENDUID 1767225605 1:2] Appended
C: a2 SELECT nowhere
S: a2 NO [NONEXISTENT] No such mailbox
C: a3 EXAMINE Archive
S: * FLAGS (\Seen \Answered \Flagged \Draft \Deleted)
S: * OK [PERMANENTFLAGS ()] No permanent flags here
S: * 2 EXISTS
S: * 0 RECENT
S: * OK [UNSEEN 1] First unseen
S: * OK [UIDVALIDITY 1767225605] UIDs valid
S: * OK [UIDNEXT 3] Predicted next UID
S: * OK [HIGHESTMODSEQ 2] Highest
S: * OK [MAILBOXID (F6)] Id of this mailbox
S: a3 OK [READ-ONLY] EXAMINE completed
C: a4 STORE 1 FLAGS ()
S: a4 NO [READ-ONLY] The mailbox is open for reading only
C: a5 FETCH 1 BODY[TEXT]
S: * 1 FETCH (BODY[TEXT] {3}
S: 1
S: )
S: a5 OK FETCH completed
C: a6 FETCH 1 FLAGS
S: * 1 FETCH (FLAGS ())
S: a6 OK FETCH completed
C: a7 EXPUNGE
S: a7 NO [READ-ONLY] The mailbox is open for reading only
C: a8 MOVE 1 INBOX
S: a8 NO [READ-ONLY] The mailbox is open for reading only
C: a9 SELECT Archive
S: * OK [CLOSED] Previous mailbox closed
S: * FLAGS (\Seen \Answered \Flagged \Draft \Deleted)
S: * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Draft \Deleted \*)] Flags permitted
S: * 2 EXISTS
S: * 0 RECENT
S: * OK [UNSEEN 1] First unseen
S: * OK [UIDVALIDITY 1767225605] UIDs valid
S: * OK [UIDNEXT 3] Predicted next UID
S: * OK [HIGHESTMODSEQ 2] Highest
S: * OK [MAILBOXID (F6)] Id of this mailbox
S: a9 OK [READ-WRITE] SELECT completed
C: b1 STORE 1 +FLAGS.SILENT (\Deleted)
S: b1 OK STORE completed
C: b2 UNSELECT
S: b2 OK UNSELECT completed
C: b3 UNSELECT
S: b3 BAD Command not allowed in this state
C: b4 STATUS Archive (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE)
S: * STATUS Archive (MESSAGES 2 RECENT 0 UIDNEXT 3 UIDVALIDITY 1767225605 UNSEEN 1 DELETED 1 SIZE 22)
S: b4 OK STATUS completed
C: b5 SELECT Archive
S: * FLAGS (\Seen \Answered \Flagged \Draft \Deleted)
S: * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Draft \Deleted \*)] Flags permitted
S: * 2 EXISTS
S: * 0 RECENT
S: * OK [UNSEEN 1] First unseen
S: * OK [UIDVALIDITY 1767225605] UIDs valid
S: * OK [UIDNEXT 3] Predicted next UID
S: * OK [HIGHESTMODSEQ 3] Highest
S: * OK [MAILBOXID (F6)] Id of this mailbox
S: b5 OK [READ-WRITE] SELECT completed
C: b6 CLOSE
S: b6 OK CLOSE completed
C: b7 STATUS Archive (MESSAGES)
S: * STATUS Archive (MESSAGES 1)
S: b7 OK STATUS completed
C: b8 STATUS Archive ()
S: b8 BAD Unknown STATUS item
C: b9 STATUS nowhere (MESSAGES)
S: b9 NO [NONEXISTENT] No such mailbox
)");
}

TEST_CASE("imap conformance: APPEND and MULTIAPPEND (RFC 9051 §6.3.12, RFC 3502)") {
  replay(R"(
C: a1 APPEND INBOX (\Seen $Work) "01-Jan-2020 12:00:00 +0100" {29+}
C: Subject: one
C: 
C: body of one
C: 
S: a1 OK [APPENDUID 1767225600 1] Appended
C: a2 APPEND nowhere {3+}
C: abc
S: a2 NO [TRYCREATE] No such mailbox
C: a3 APPEND INBOX {0+}
C: 
S: a3 NO [CANNOT] A message cannot be empty
C: a4 APPEND INBOX (\*) {11+}
C: A: b
C: 
C: 1
C: 
S: a4 BAD Malformed or unknown flag
C: a5 APPEND INBOX "32-Jan-2020 12:00:00 +0100" {11+}
C: A: b
C: 
C: 1
C: 
S: a5 BAD Malformed date
C: a6 APPEND INBOX {11+}
C: A: b
C: 
C: 1
C:  (\Draft) {11+}
C: A: b
C: 
C: 2
C: 
S: a6 OK [APPENDUID 1767225600 2:3] Appended
C: a7 SELECT INBOX
S: * FLAGS (\Seen \Answered \Flagged \Draft \Deleted $Work)
S: * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Draft \Deleted $Work \*)] Flags permitted
S: * 3 EXISTS
S: * 0 RECENT
S: * OK [UNSEEN 2] First unseen
S: * OK [UIDVALIDITY 1767225600] UIDs valid
S: * OK [UIDNEXT 4] Predicted next UID
S: * OK [HIGHESTMODSEQ 3] Highest
S: * OK [MAILBOXID (F1)] Id of this mailbox
S: a7 OK [READ-WRITE] SELECT completed
C: a8 FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)
S: * 1 FETCH (UID 1 FLAGS (\Seen $Work) INTERNALDATE "01-Jan-2020 11:00:00 +0000" RFC822.SIZE 29)
S: * 2 FETCH (UID 2 FLAGS () INTERNALDATE "01-Jan-2026 00:00:00 +0000" RFC822.SIZE 11)
S: * 3 FETCH (UID 3 FLAGS (\Draft) INTERNALDATE "01-Jan-2026 00:00:00 +0000" RFC822.SIZE 11)
S: a8 OK FETCH completed
C: a9 APPEND INBOX {11+}
C: A: b
C: 
C: 3
C: 
S: * 4 EXISTS
S: a9 OK [APPENDUID 1767225600 4] Appended
)");
}

TEST_CASE("imap conformance: FETCH (RFC 9051 §6.4.5, §7.5.2, RFC 3516, RFC 8474)") {
  replay(R"(
C: a1 APPEND INBOX "01-Jan-2020 12:00:00 +0100" {36+}
C: Subject: one
C: 
C: body of one, hello
C: 
S: a1 OK [APPENDUID 1767225600 1] Appended
C: a2 SELECT INBOX
S: * FLAGS (\Seen \Answered \Flagged \Draft \Deleted)
S: * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Draft \Deleted \*)] Flags permitted
S: * 1 EXISTS
S: * 0 RECENT
S: * OK [UNSEEN 1] First unseen
S: * OK [UIDVALIDITY 1767225600] UIDs valid
S: * OK [UIDNEXT 2] Predicted next UID
S: * OK [HIGHESTMODSEQ 2] Highest
S: * OK [MAILBOXID (F1)] Id of this mailbox
S: a2 OK [READ-WRITE] SELECT completed
C: a3 FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE UID ENVELOPE BODYSTRUCTURE BODY EMAILID THREADID)
S: * 1 FETCH (FLAGS () INTERNALDATE "01-Jan-2020 11:00:00 +0000" RFC822.SIZE 36 UID 1 ENVELOPE (NIL "one" NIL NIL NIL NIL NIL NIL NIL NIL) BODYSTRUCTURE ("text" "plain" NIL NIL NIL "7BIT" 20 1 NIL NIL NIL NIL) BODY ("text" "plain" NIL NIL NIL "7BIT" 20 1) EMAILID (M1) THREADID (T1))
S: a3 OK FETCH completed
C: a4 FETCH 1 ALL
S: * 1 FETCH (FLAGS () INTERNALDATE "01-Jan-2020 11:00:00 +0000" RFC822.SIZE 36 ENVELOPE (NIL "one" NIL NIL NIL NIL NIL NIL NIL NIL))
S: a4 OK FETCH completed
C: a5 FETCH 1 FAST
S: * 1 FETCH (FLAGS () INTERNALDATE "01-Jan-2020 11:00:00 +0000" RFC822.SIZE 36)
S: a5 OK FETCH completed
C: a6 FETCH 1 FULL
S: * 1 FETCH (FLAGS () INTERNALDATE "01-Jan-2020 11:00:00 +0000" RFC822.SIZE 36 ENVELOPE (NIL "one" NIL NIL NIL NIL NIL NIL NIL NIL) BODY ("text" "plain" NIL NIL NIL "7BIT" 20 1))
S: a6 OK FETCH completed
C: a7 FETCH 1 BODY.PEEK[]<9.3>
S: * 1 FETCH (BODY[]<9> {3}
S: one)
S: a7 OK FETCH completed
C: a8 FETCH 1 BODY.PEEK[]<100.10>
S: * 1 FETCH (BODY[]<100> {0}
S: )
S: a8 OK FETCH completed
C: a9 FETCH 1 FLAGS
S: * 1 FETCH (FLAGS ())
S: a9 OK FETCH completed
C: b1 FETCH 1 BODY[TEXT]
S: * 1 FETCH (BODY[TEXT] {20}
S: body of one, hello
S:  FLAGS (\Seen))
S: b1 OK FETCH completed
C: b2 FETCH 1 (BODY[HEADER] BODY[1] BODY[2] BODY.PEEK[HEADER.FIELDS (Subject)] BODY[HEADER.FIELDS.NOT (Subject)])
S: * 1 FETCH (BODY[HEADER] {16}
S: Subject: one
S: 
S:  BODY[1] {20}
S: body of one, hello
S:  BODY[2] NIL BODY[HEADER.FIELDS (Subject)] {16}
S: Subject: one
S: 
S:  BODY[HEADER.FIELDS.NOT (Subject)] {2}
S: 
S: )
S: b2 OK FETCH completed
C: b3 FETCH 1 (BINARY[1] BINARY.SIZE[1] BINARY.PEEK[1]<0.4>)
S: * 1 FETCH (BINARY[1] {20}
S: body of one, hello
S:  BINARY.SIZE[1] 20 BINARY[1]<0> {4}
S: body)
S: b3 OK FETCH completed
C: b4 FETCH 1:5 FLAGS
S: b4 BAD No message has such a number
C: b5 UID FETCH 5 FLAGS
S: b5 OK FETCH completed
C: b6 UID FETCH 7:* FLAGS
S: * 1 FETCH (UID 1 FLAGS (\Seen))
S: b6 OK FETCH completed
C: b7 FETCH * UID
S: * 1 FETCH (UID 1)
S: b7 OK FETCH completed
C: b8 FETCH 0 FLAGS
S: b8 BAD Malformed sequence set
C: b9 FETCH 1 BODY[MIME]
S: b9 BAD Malformed section
C: c1 FETCH 1 BODY[TEXT]<0.0>
S: c1 BAD Expected a number above zero
C: c2 FETCH 1 BODY[HEADER.FIELDS ()]
S: c2 BAD Expected a string
)");
}

TEST_CASE("imap conformance: STORE, COPY, MOVE and EXPUNGE (RFC 9051 §6.4.3, §6.4.6 to §6.4.9)") {
  replay(R"(
C: a1 APPEND INBOX {11+}
C: A: b
C: 
C: 1
C:  {11+}
C: A: b
C: 
C: 2
C:  {11+}
C: A: b
C: 
C: 3
C: 
S: a1 OK [APPENDUID 1767225600 1:3] Appended
C: a2 SELECT INBOX
S: * FLAGS (\Seen \Answered \Flagged \Draft \Deleted)
S: * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Draft \Deleted \*)] Flags permitted
S: * 3 EXISTS
S: * 0 RECENT
S: * OK [UNSEEN 1] First unseen
S: * OK [UIDVALIDITY 1767225600] UIDs valid
S: * OK [UIDNEXT 4] Predicted next UID
S: * OK [HIGHESTMODSEQ 2] Highest
S: * OK [MAILBOXID (F1)] Id of this mailbox
S: a2 OK [READ-WRITE] SELECT completed
C: a3 STORE 1 +FLAGS (\Deleted foo)
S: * FLAGS (\Seen \Answered \Flagged \Draft \Deleted foo)
S: * 1 FETCH (FLAGS (\Deleted foo))
S: a3 OK STORE completed
C: a4 STORE 1 -FLAGS.SILENT foo
S: a4 OK STORE completed
C: a5 STORE 1 FLAGS \Seen \Answered
S: * 1 FETCH (FLAGS (\Seen \Answered))
S: a5 OK STORE completed
C: a6 STORE 1 +FLAGS (\*)
S: a6 BAD Malformed or unknown flag
C: a7 STORE 9 FLAGS ()
S: a7 BAD No message has such a number
C: a8 UID STORE 9 FLAGS ()
S: a8 OK STORE completed
C: a9 COPY 1 nowhere
S: a9 NO [TRYCREATE] No such mailbox
C: b1 COPY 1:2 Archive
S: b1 OK [COPYUID 1767225605 1:2 1:2] COPY completed
C: b2 UID COPY 7 Archive
S: b2 OK COPY completed
C: b3 MOVE 2 Archive
S: * OK [COPYUID 1767225605 2 3] Moved
S: * 2 EXPUNGE
S: b3 OK MOVE completed
C: b4 STORE 1:2 +FLAGS.SILENT (\Deleted)
S: b4 OK STORE completed
C: b5 UID EXPUNGE 99
S: b5 OK EXPUNGE completed
C: b6 UID EXPUNGE 3
S: * 2 EXPUNGE
S: b6 OK EXPUNGE completed
C: b7 EXPUNGE
S: * 1 EXPUNGE
S: b7 OK EXPUNGE completed
C: b8 STATUS Archive (MESSAGES)
S: * STATUS Archive (MESSAGES 3)
S: b8 OK STATUS completed
)");
}

TEST_CASE("imap conformance: SEARCH, ESEARCH and SEARCHRES (RFC 9051 §6.4.4, RFC 4731, RFC 5182, RFC 5032)") {
  replay(R"(
C: a1 APPEND INBOX (\Seen) {63+}
C: From: x@y.test
C: Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=
C: 
C: hello
C:  {15+}
C: A: b
C: 
C: world
C: 
S: a1 OK [APPENDUID 1767225600 1:2] Appended
C: a2 SELECT INBOX
S: * FLAGS (\Seen \Answered \Flagged \Draft \Deleted)
S: * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Draft \Deleted \*)] Flags permitted
S: * 2 EXISTS
S: * 0 RECENT
S: * OK [UNSEEN 2] First unseen
S: * OK [UIDVALIDITY 1767225600] UIDs valid
S: * OK [UIDNEXT 3] Predicted next UID
S: * OK [HIGHESTMODSEQ 2] Highest
S: * OK [MAILBOXID (F1)] Id of this mailbox
S: a2 OK [READ-WRITE] SELECT completed
C: a3 SEARCH ALL
S: * SEARCH 1 2
S: a3 OK SEARCH completed
C: a4 SEARCH RETURN (MIN MAX COUNT ALL) ALL
S: * ESEARCH (TAG "a4") MIN 1 MAX 2 ALL 1:2 COUNT 2
S: a4 OK SEARCH completed
C: a5 SEARCH RETURN () UNSEEN
S: * ESEARCH (TAG "a5") ALL 2
S: a5 OK SEARCH completed
C: a6 SEARCH RETURN (MIN MAX) ANSWERED
S: * ESEARCH (TAG "a6")
S: a6 OK SEARCH completed
C: a7 UID SEARCH RETURN (SAVE) SEEN
S: a7 OK SEARCH completed
C: a8 FETCH $ UID
S: * 1 FETCH (UID 1)
S: a8 OK FETCH completed
C: a9 SEARCH CHARSET KOI9 TEXT x
S: a9 NO [BADCHARSET (US-ASCII UTF-8)] Unknown charset
C: b1 SEARCH CHARSET UTF-8 SUBJECT {6+}
C: grüß
S: * SEARCH 1
S: b1 OK SEARCH completed
C: b2 SEARCH TEXT HELLO
S: * SEARCH 1
S: b2 OK SEARCH completed
C: b3 SEARCH (SEEN SUBJECT gr) OR FROM x TO z
S: * SEARCH 1
S: b3 OK SEARCH completed
C: b4 SEARCH NOT SEEN
S: * SEARCH 2
S: b4 OK SEARCH completed
C: b5 SEARCH HEADER A ""
S: * SEARCH 2
S: b5 OK SEARCH completed
C: b6 SEARCH LARGER 5 SMALLER 20
S: * SEARCH 2
S: b6 OK SEARCH completed
C: b7 SEARCH YOUNGER 5
S: * SEARCH 1 2
S: b7 OK SEARCH completed
C: b8 SEARCH OLDER 5
S: * SEARCH
S: b8 OK SEARCH completed
C: b9 SEARCH ON 1-Jan-2026
S: * SEARCH 1 2
S: b9 OK SEARCH completed
C: c1 SEARCH KEYWORD foo
S: * SEARCH
S: c1 OK SEARCH completed
C: c2 SEARCH OR SEEN
S: c2 BAD Expected a space
C: c3 SEARCH SINCE 1-Foo-2020
S: c3 BAD Malformed date
C: c4 UID SEARCH UID 1:* UNKEYWORD foo
S: * SEARCH 1 2
S: c4 OK SEARCH completed
)");
}

TEST_CASE("imap conformance: CONDSTORE (RFC 7162 §3.1)") {
  replay(R"(
C: a1 APPEND INBOX {11+}
C: A: b
C: 
C: 1
C:  {11+}
C: A: b
C: 
C: 2
C: 
S: a1 OK [APPENDUID 1767225600 1:2] Appended
C: a2 SELECT INBOX
S: * FLAGS (\Seen \Answered \Flagged \Draft \Deleted)
S: * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Draft \Deleted \*)] Flags permitted
S: * 2 EXISTS
S: * 0 RECENT
S: * OK [UNSEEN 1] First unseen
S: * OK [UIDVALIDITY 1767225600] UIDs valid
S: * OK [UIDNEXT 3] Predicted next UID
S: * OK [HIGHESTMODSEQ 2] Highest
S: * OK [MAILBOXID (F1)] Id of this mailbox
S: a2 OK [READ-WRITE] SELECT completed
C: a3 ENABLE CONDSTORE
S: * ENABLED CONDSTORE
S: * OK [HIGHESTMODSEQ 2] Highest
S: a3 OK ENABLE completed
C: a4 FETCH 1:2 (MODSEQ)
S: * 1 FETCH (MODSEQ (2))
S: * 2 FETCH (MODSEQ (2))
S: a4 OK FETCH completed
C: a5 STORE 1 +FLAGS (\Seen)
S: * 1 FETCH (UID 1 FLAGS (\Seen) MODSEQ (3))
S: a5 OK STORE completed
C: a6 STORE 1:2 (UNCHANGEDSINCE 2) FLAGS.SILENT (\Flagged)
S: * 2 FETCH (UID 2 MODSEQ (4))
S: * 1 FETCH (UID 1 FLAGS (\Seen) MODSEQ (3))
S: a6 OK [MODIFIED 1] Conditional STORE failed for some
C: a7 FETCH 1:2 (FLAGS) (CHANGEDSINCE 3)
S: * 2 FETCH (FLAGS (\Flagged) MODSEQ (4))
S: a7 OK FETCH completed
C: a8 SEARCH MODSEQ 3
S: * SEARCH 1 2 (MODSEQ 4)
S: a8 OK SEARCH completed
C: a9 SEARCH RETURN (MIN MAX) MODSEQ 3
S: * ESEARCH (TAG "a9") MIN 1 MAX 2 MODSEQ 4
S: a9 OK SEARCH completed
C: b1 STORE 1 (UNCHANGEDSINCE 0) +FLAGS (\Draft)
S: * 1 FETCH (UID 1 FLAGS (\Seen) MODSEQ (3))
S: b1 OK [MODIFIED 1] Conditional STORE failed for some
C: b2 STATUS INBOX (HIGHESTMODSEQ)
S: * STATUS INBOX (HIGHESTMODSEQ 4)
S: b2 OK STATUS completed
C: b3 FETCH 1 (FLAGS) (CHANGEDSINCE 1 VANISHED)
S: b3 BAD VANISHED needs UID FETCH, CHANGEDSINCE and QRESYNC enabled
)");
}

TEST_CASE("imap conformance: QRESYNC (RFC 7162 §3.2)") {
  replay(R"(
C: a1 APPEND Archive {11+}
C: A: b
C: 
C: 1
C:  {11+}
C: A: b
C: 
C: 2
C:  {11+}
C: A: b
C: 
C: 3
C:  {11+}
C: A: b
C: 
C: 4
C: 
S: a1 OK [APPENDUID 1767225605 1:4] Appended
C: a2 SELECT Archive (QRESYNC (1767225605 2))
S: a2 BAD QRESYNC is not enabled
C: a3 ENABLE QRESYNC
S: * ENABLED QRESYNC
S: a3 OK ENABLE completed
C: a4 SELECT Archive
S: * FLAGS (\Seen \Answered \Flagged \Draft \Deleted)
S: * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Draft \Deleted \*)] Flags permitted
S: * 4 EXISTS
S: * 0 RECENT
S: * OK [UNSEEN 1] First unseen
S: * OK [UIDVALIDITY 1767225605] UIDs valid
S: * OK [UIDNEXT 5] Predicted next UID
S: * OK [HIGHESTMODSEQ 2] Highest
S: * OK [MAILBOXID (F6)] Id of this mailbox
S: a4 OK [READ-WRITE] SELECT completed
C: a5 STORE 2 +FLAGS.SILENT (\Deleted)
S: * 2 FETCH (UID 2 MODSEQ (3))
S: a5 OK STORE completed
C: a6 EXPUNGE
S: * VANISHED 2
S: a6 OK [HIGHESTMODSEQ 4] EXPUNGE completed
C: a7 STORE 1 +FLAGS (\Answered)
S: * 1 FETCH (UID 1 FLAGS (\Answered) MODSEQ (5))
S: a7 OK STORE completed
C: a8 SELECT Archive (QRESYNC (1767225605 2))
S: * OK [CLOSED] Previous mailbox closed
S: * FLAGS (\Seen \Answered \Flagged \Draft \Deleted)
S: * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Draft \Deleted \*)] Flags permitted
S: * 3 EXISTS
S: * 0 RECENT
S: * OK [UNSEEN 1] First unseen
S: * OK [UIDVALIDITY 1767225605] UIDs valid
S: * OK [UIDNEXT 5] Predicted next UID
S: * OK [HIGHESTMODSEQ 5] Highest
S: * OK [MAILBOXID (F6)] Id of this mailbox
S: * VANISHED (EARLIER) 2
S: * 1 FETCH (UID 1 FLAGS (\Answered) MODSEQ (5))
S: a8 OK [READ-WRITE] SELECT completed
C: a9 SELECT Archive (QRESYNC (1767225605 2 3:4))
S: * OK [CLOSED] Previous mailbox closed
S: * FLAGS (\Seen \Answered \Flagged \Draft \Deleted)
S: * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Draft \Deleted \*)] Flags permitted
S: * 3 EXISTS
S: * 0 RECENT
S: * OK [UNSEEN 1] First unseen
S: * OK [UIDVALIDITY 1767225605] UIDs valid
S: * OK [UIDNEXT 5] Predicted next UID
S: * OK [HIGHESTMODSEQ 5] Highest
S: * OK [MAILBOXID (F6)] Id of this mailbox
S: a9 OK [READ-WRITE] SELECT completed
C: b1 SELECT Archive (QRESYNC (1 2))
S: * OK [CLOSED] Previous mailbox closed
S: * FLAGS (\Seen \Answered \Flagged \Draft \Deleted)
S: * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Draft \Deleted \*)] Flags permitted
S: * 3 EXISTS
S: * 0 RECENT
S: * OK [UNSEEN 1] First unseen
S: * OK [UIDVALIDITY 1767225605] UIDs valid
S: * OK [UIDNEXT 5] Predicted next UID
S: * OK [HIGHESTMODSEQ 5] Highest
S: * OK [MAILBOXID (F6)] Id of this mailbox
S: b1 OK [READ-WRITE] SELECT completed
C: b2 UID FETCH 1:* (FLAGS) (CHANGEDSINCE 2 VANISHED)
S: * VANISHED (EARLIER) 2
S: * 1 FETCH (UID 1 FLAGS (\Answered) MODSEQ (5))
S: b2 OK FETCH completed
C: b3 STORE 3 +FLAGS.SILENT (\Deleted)
S: * 3 FETCH (UID 4 MODSEQ (6))
S: b3 OK STORE completed
C: b4 CLOSE
S: b4 OK CLOSE completed
)");
}

TEST_CASE("imap conformance: IMAP4rev2 and UTF8=ACCEPT enabled (RFC 9051 §6.3.1, RFC 6855)") {
  replay(R"(
C: a1 CREATE Entw&APw-rfe
S: a1 OK [MAILBOXID (F7)] CREATE completed
C: a2 LIST "" "Entw*"
S: * LIST (\HasNoChildren) "/" Entw&APw-rfe
S: a2 OK LIST completed
C: a3 CREATE "bad&name"
S: a3 NO [CANNOT] Mailbox name is not modified UTF-7
C: a4 ENABLE IMAP4rev2 XFOO
S: * ENABLED IMAP4rev2
S: a4 OK ENABLE completed
C: a5 ENABLE UTF8=ACCEPT
S: * ENABLED UTF8=ACCEPT
S: a5 OK ENABLE completed
C: a6 LIST "" "Entw*"
S: * LIST (\HasNoChildren) "/" "Entwürfe"
S: a6 OK LIST completed
C: a7 SELECT "Entwürfe"
S: * FLAGS (\Seen \Answered \Flagged \Draft \Deleted)
S: * OK [PERMANENTFLAGS (\Seen \Answered \Flagged \Draft \Deleted \*)] Flags permitted
S: * 0 EXISTS
S: * OK [UIDVALIDITY 1767225606] UIDs valid
S: * OK [UIDNEXT 1] Predicted next UID
S: * OK [HIGHESTMODSEQ 2] Highest
S: * OK [MAILBOXID (F7)] Id of this mailbox
S: * LIST (\HasNoChildren \Subscribed) "/" "Entwürfe"
S: a7 OK [READ-WRITE] SELECT completed
C: a8 SEARCH ALL
S: * ESEARCH (TAG "a8")
S: a8 OK SEARCH completed
C: a9 UID SEARCH 1:*
S: * ESEARCH (TAG "a9") UID
S: a9 OK SEARCH completed
C: b1 SELECT nowhere
S: * OK [CLOSED] Previous mailbox closed
S: b1 NO [NONEXISTENT] No such mailbox
C: b2 DELETE "Entwürfe"
S: b2 OK DELETE completed
)");
}

TEST_CASE("imap conformance: what is not IMAP is BAD, and the next command counts (RFC 9051 §2.2, §7.1.3)") {
  replay(R"(
C: a1 XYZZY
S: a1 BAD Unknown command
C: a2 NOOP extra
S: a2 BAD Unexpected text at the end
C: a3 FETCH 1 FLAGS
S: a3 BAD Command not allowed in this state
C: a4 LOGIN a b
S: a4 BAD Already authenticated
C: a5 STARTTLS
S: a5 BAD Command not allowed in this state
C: a6 AUTHENTICATE PLAIN
S: a6 BAD Already authenticated
C: a7 DONE
S: a7 BAD Unknown command
C: a8 UID NOOP
S: a8 BAD Unknown command
C: a9 IDLE
C: DONE
S: + idling
S: a9 OK IDLE completed
C: b1 ID ("name" "x")
S: * ID ("name" "Keystone Mail")
S: b1 OK ID completed
C: b2 CHECK
S: b2 BAD Command not allowed in this state
C: b3 LOGOUT
S: * BYE Logging out
S: b3 OK Logged out
)");
}
