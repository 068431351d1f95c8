// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/imap/mailbox_tree.hpp"

#include <algorithm>
#include <cassert>
#include <map>

#include "keystonemail/base/text.hpp"

namespace keystonemail::service::imap {

namespace {

using mailstore::Mailbox;
using mailstore::Role;

constexpr char level_end = mailstore::limits::hierarchy_separator;

bool has_special_use(Role role) noexcept { return role != Role::none && role != Role::inbox; }

bool is_selected(const Mailbox& mailbox, const ListSelection& selection) noexcept {
  return (!selection.subscribed || mailbox.subscribed) && (!selection.special_use || has_special_use(mailbox.role));
}

struct Below {
  bool any = false, selected = false;
  bool unlisted = false;  // one that is selected matches no pattern
};

// What lies below each mailbox, gathered from the leaves up.
std::map<std::string_view, Below> find_below(std::span<const Mailbox> mailboxes, const std::vector<bool>& matching, const ListSelection& selection) {
  std::map<std::string_view, Below> below;  // by path
  for (std::size_t i = mailboxes.size(); i-- > 0;) {
    const Mailbox& mailbox = mailboxes[i];
    const std::string_view path = mailbox.path;
    const std::size_t last = path.rfind(level_end);
    if (last == std::string_view::npos) continue;
    const bool selected = is_selected(mailbox, selection);
    const auto own = below.find(path);
    const Below under = own == below.end() ? Below{} : own->second;
    Below& parent = below[path.substr(0, last)];
    parent.any |= exists(mailbox);
    parent.selected |= selected || under.selected;
    parent.unlisted |= under.unlisted || (selection.recursive_match && selected && !matching[i]);
  }
  return below;
}

}  // namespace

void add_names(std::vector<Mailbox>& mailboxes, std::span<const std::string> names) {
  const auto there = [&](const std::string& path) { return std::ranges::binary_search(mailboxes, path, {}, &Mailbox::path); };
  std::map<std::string, bool> missing;  // and whether it is subscribed to
  for (const std::string& name : names) {
    if (there(name)) continue;  // made in the meantime
    missing[name] = true;
    for (std::size_t at = name.rfind(level_end); at != std::string::npos && at > 0; at = name.rfind(level_end, at - 1)) {
      std::string above = name.substr(0, at);
      if (there(above) || !missing.emplace(std::move(above), false).second) break;
    }
  }
  for (const auto& [path, subscribed] : missing) {
    Mailbox& mailbox = mailboxes.emplace_back();
    mailbox.path = path;
    mailbox.subscribed = subscribed;
  }
  std::ranges::sort(mailboxes, {}, &Mailbox::path);
}

PatternSet::PatternSet(std::span<const std::string> patterns) {
  constexpr std::string_view inbox_level = "INBOX/";
  for (const std::string& pattern : patterns) {
    exact_.emplace_back(istarts_with(pattern, inbox_level) ? std::string(inbox_level) + pattern.substr(inbox_level.size()) : pattern);
    upper_.emplace_back(to_upper(pattern));
    work_ += exact_.back().work();
  }
}

bool PatternSet::matches(const Mailbox& mailbox) const {
  const auto one = [&](const ListPattern& pattern) { return pattern.matches(mailbox.path); };
  return std::ranges::any_of(mailbox.role == Role::inbox ? upper_ : exact_, one);
}

std::vector<ListedMailbox> list_mailboxes(std::span<const Mailbox> mailboxes, const std::vector<bool>& matching, ListSelection selection) {
  assert(matching.size() == mailboxes.size());
  const auto below = find_below(mailboxes, matching, selection);
  std::vector<ListedMailbox> listed;
  for (std::size_t i = 0; i < mailboxes.size(); ++i) {
    const Mailbox& mailbox = mailboxes[i];
    const auto found = below.find(mailbox.path);
    const Below under = found == below.end() ? Below{} : found->second;
    const bool selected = is_selected(mailbox, selection);
    if (!selected && !under.unlisted) continue;  // RFC 5258 §3.5: no CHILDINFO that says nothing
    if (matching[i]) listed.push_back({&mailbox, under.any, selected, selection.recursive_match && under.selected});
  }
  return listed;
}

}  // namespace keystonemail::service::imap
