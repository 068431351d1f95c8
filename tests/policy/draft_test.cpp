// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What edits make of a message.
#include <doctest/doctest.h>

#include <string>
#include <utility>
#include <vector>

#include "keystonemail/policy/draft.hpp"

using namespace keystonemail;
using namespace keystonemail::policy;

namespace {

const std::string came = "X-A: 1\r\nFrom: a@example.test\r\nx-a: 2\r\n folded\r\n\r\n";

Draft edited(std::vector<Edit> edits, std::string header = came) {
  Draft draft(std::move(header));
  draft.apply(edits);
  return draft;
}
std::string header_after(std::vector<Edit> edits, std::string header = came) {
  return std::string(edited(std::move(edits), std::move(header)).header());
}
std::string read_all(const Body& body) {
  std::string out;
  CHECK(body.read(0, 1000, out));
  return out;
}

}  // namespace

TEST_CASE("draft: without edits it is what came, at revision 0") {
  const Draft draft(came);
  CHECK(draft.header() == came);
  CHECK(draft.below_top() == came);
  CHECK(draft.top().empty());
  CHECK(draft.revision() == 0);
}

TEST_CASE("draft: of several fields for the top the first is topmost, and later decisions go above") {
  Draft draft = edited({AddHeader{"X-1", "a"}, AddHeader{"X-2", "b"}});
  CHECK(draft.top() == "X-1: a\r\nX-2: b\r\n");
  draft.apply(std::vector<Edit>{AddHeader{"X-3", "c"}, RemoveHeader{"x-2"}});
  CHECK(draft.top() == "X-3: c\r\nX-1: a\r\n");
  CHECK(draft.below_top() == came);
  CHECK(draft.revision() == 2);
  CHECK(draft.revision_below_top() == 0);
}

TEST_CASE("draft: a field for the bottom stands before the empty line") {
  CHECK(header_after({AddHeader{"X-B", "b", Place::bottom}}) == "X-A: 1\r\nFrom: a@example.test\r\nx-a: 2\r\n folded\r\nX-B: b\r\n\r\n");
  CHECK(header_after({AddHeader{"X-B", "b", Place::bottom}}, "Subject: no body") == "Subject: no body\r\nX-B: b\r\n");
  CHECK(edited({AddHeader{"X-B", "b", Place::bottom}}).revision_below_top() == 1);
}

TEST_CASE("draft: a field is inserted at its position, what is on top counted") {
  Draft draft = edited({AddHeader{"X-Top", "t"}});
  draft.apply(std::vector<Edit>{InsertHeader{2, "X-Two", "2"}});
  CHECK(draft.header() == "X-Top: t\r\nX-A: 1\r\nX-Two: 2\r\nFrom: a@example.test\r\nx-a: 2\r\n folded\r\n\r\n");
  draft.apply(std::vector<Edit>{InsertHeader{0, "X-Zero", "0"}});
  CHECK(draft.top() == "X-Zero: 0\r\nX-Top: t\r\n");
  draft.apply(std::vector<Edit>{InsertHeader{2, "X-Edge", "e"}});
  CHECK(draft.top() == "X-Zero: 0\r\nX-Top: t\r\nX-Edge: e\r\n");  // above our own trace
  draft.apply(std::vector<Edit>{InsertHeader{99, "X-Last", "l"}});
  CHECK(draft.header().ends_with(" folded\r\nX-Last: l\r\n\r\n"));
}

TEST_CASE("draft: the nth occurrence is changed, whatever its case and however it was folded") {
  CHECK(header_after({ChangeHeader{"X-A", 2, "new"}}) == "X-A: 1\r\nFrom: a@example.test\r\nX-A: new\r\n\r\n");
  CHECK(header_after({ChangeHeader{"x-A", 1, "new\r\n fold"}}) == "x-A: new\r\n fold\r\nFrom: a@example.test\r\nx-a: 2\r\n folded\r\n\r\n");
  CHECK(header_after({ChangeHeader{"X-A", 3, "third"}}).ends_with(" folded\r\nX-A: third\r\n\r\n"));
}

TEST_CASE("draft: what the same edits took out still counts") {
  CHECK(header_after({RemoveHeader{"X-A", 1}, RemoveHeader{"X-A", 2}}) == "From: a@example.test\r\n\r\n");
  CHECK(header_after({RemoveHeader{"X-A", 1}, ChangeHeader{"X-A", 2, "new"}}) == "From: a@example.test\r\nX-A: new\r\n\r\n");
  Draft draft = edited({RemoveHeader{"X-A", 1}});
  draft.apply(std::vector<Edit>{RemoveHeader{"X-A", 1}});  // of another decision: it is the first now
  CHECK(draft.header() == "From: a@example.test\r\n\r\n");
}

TEST_CASE("draft: a field may stand without a blank behind its colon") {
  CHECK(edited({AddHeader{"X", "  two", Place::top, Lead::nothing}}).top() == "X:  two\r\n");
}

TEST_CASE("draft: a body is replaced once there is one") {
  Draft draft = edited({ReplaceBody{make_body("early")}});
  CHECK(draft.revision() == 0);
  draft.set_body(make_body("came"));
  draft.apply(std::vector<Edit>{ReplaceBody{make_body("new\r\n")}});
  CHECK(read_all(*draft.body()) == "new\r\n");
  CHECK(draft.revision_below_top() == 1);
}

TEST_CASE("draft: edits of the envelope and what changes nothing leave the revision") {
  CHECK(edited({ReplaceSender{"a@b"}, AddRecipient{"c@d"}, Tag{"x", "y"}, RemoveHeader{"X-None"}}).revision() == 0);
}

TEST_CASE("A2: an edit that would be more than one field, or none, is left out") {
  const auto added = [](std::string name, std::string value) { return std::string(edited({AddHeader{std::move(name), std::move(value)}}).top()); };
  CHECK(added("X-A", "one\r\n two") == "X-A: one\r\n two\r\n");
  for (const std::string value : {"x\r\nBcc: y", "x\nBcc: y", "x\r\n\r\nbody", "x\r\n \r\n y", "x\r", "x\r\n"}) {
    CAPTURE(value);
    CHECK(added("X-A", value).empty());
    for (const Edit& edit : std::vector<Edit>{AddHeader{"X-A", value, Place::bottom}, InsertHeader{1, "X-A", value}, ChangeHeader{"X-A", 1, value}}) {
      CHECK(edited({edit}).header() == came);
    }
  }
  CHECK(added("X-A", std::string("x\0y", 3)).empty());
  for (const std::string name : {"", "X A", "X:A", "X\r\nBcc"}) CHECK(added(name, "x").empty());
}

TEST_CASE("draft: a header beyond its limit takes no more") {
  Draft draft(came);
  const std::string long_value(500'000, 'x');
  for (int i = 0; i < 10; ++i) draft.apply(std::vector<Edit>{AddHeader{"X-Long", long_value}, AddHeader{"X-Long", long_value, Place::bottom}});
  CHECK(draft.header().size() <= policy::limits::draft_header_octets_max);
  CHECK(draft.header().size() > 1'500'000);
}
