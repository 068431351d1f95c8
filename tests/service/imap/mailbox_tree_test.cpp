// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/imap/mailbox_tree.hpp"

#include <doctest/doctest.h>

using namespace keystonemail::mailstore;
using namespace keystonemail::service::imap;

namespace {

// INBOX, Fruit (not subscribed) with Fruit/Apple (subscribed) and Fruit/Kiwi, Sent (special use).
std::vector<Mailbox> tree() {
  std::vector<Mailbox> all(5);
  const char* paths[] = {"Fruit", "Fruit/Apple", "Fruit/Kiwi", "INBOX", "Sent"};
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].id = MailboxId(static_cast<std::uint32_t>(i + 1));
    all[i].path = paths[i];
  }
  all[1].parent = all[2].parent = all[0].id;
  all[1].subscribed = all[3].subscribed = true;
  all[3].role = Role::inbox;
  all[4].role = Role::sent;
  return all;
}

std::vector<bool> matching(std::span<const Mailbox> all, const std::vector<std::string>& patterns) {
  const PatternSet wanted(patterns);
  std::vector<bool> result;
  for (const Mailbox& mailbox : all) result.push_back(wanted.matches(mailbox));
  return result;
}

std::string list(std::vector<std::string> patterns, ListSelection selection = {}) {
  const auto all = tree();
  std::string text;
  for (const ListedMailbox& one : list_mailboxes(all, matching(all, patterns), selection)) {
    text += one.mailbox->path + (one.has_children ? "+" : "") + (one.selected_below ? "!" : "") + " ";
  }
  return text;
}

}  // namespace

TEST_CASE("mailbox tree: patterns choose, and parents know that they have children") {
  CHECK(list({"*"}) == "Fruit+ Fruit/Apple Fruit/Kiwi INBOX Sent ");
  CHECK(list({"%"}) == "Fruit+ INBOX Sent ");
  CHECK(list({"Fruit/%", "Sent", "S*"}) == "Fruit/Apple Fruit/Kiwi Sent ");
}

TEST_CASE("mailbox tree: the inbox is found in any case, others are not") {
  CHECK(list({"inBox"}) == "INBOX ");
  CHECK(list({"sent"}).empty());
}

TEST_CASE("mailbox tree: selection by subscription and special use") {
  CHECK(list({"*"}, {.subscribed = true}) == "Fruit/Apple INBOX ");
  CHECK(list({"*"}, {.special_use = true}) == "Sent ");
}

TEST_CASE("mailbox tree: names that are not there stand among those that are, below what stands for them") {
  auto all = tree();
  add_names(all, std::vector<std::string>{"Fruit/Apple", "Fruit/Pear", "Gone", "Gone/a/b"});
  const auto shown = [&](std::vector<std::string> patterns, ListSelection selection) {
    std::string text;
    for (const ListedMailbox& one : list_mailboxes(all, matching(all, patterns), selection)) {
      text += one.mailbox->path + (exists(*one.mailbox) ? "" : "?") + (one.has_children ? "+" : "") + (one.selected_below ? "!" : "") + " ";
    }
    return text;
  };
  CHECK(shown({"*"}, {.subscribed = true}) == "Fruit/Apple Fruit/Pear? Gone? Gone/a/b? INBOX ");
  CHECK(shown({"%"}, {.subscribed = true, .recursive_match = true}) == "Fruit+! Gone?! INBOX ");
  CHECK(shown({"Gone/%"}, {.subscribed = true, .recursive_match = true}) == "Gone/a?! ");
}

TEST_CASE("mailbox tree: RECURSIVEMATCH shows a parent for what is selected below it") {  // RFC 5258 §3.5
  CHECK(list({"%"}, {.subscribed = true, .recursive_match = true}) == "Fruit+! INBOX ");
  CHECK(list({"*"}, {.subscribed = true, .recursive_match = true}) == "Fruit/Apple INBOX ");  // it would say nothing new
  CHECK(list({"Fruit"}, {.subscribed = true, .recursive_match = true}) == "Fruit+! ");
}
