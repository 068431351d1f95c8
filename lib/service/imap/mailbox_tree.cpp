// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/imap/mailbox_tree.hpp"

#include <algorithm>
#include <map>
#include <ranges>

#include "keystonemail/base/text.hpp"
#include "service/imap/list_pattern.hpp"

namespace keystonemail::service::imap {

namespace {

using mailstore::Mailbox;
using mailstore::Role;

constexpr char level_end = mailstore::limits::hierarchy_separator;

bool has_special_use(Role role) noexcept { return role != Role::none && role != Role::inbox; }

bool is_selected(const Mailbox& mailbox, const ListSelection& selection) noexcept {
  return (!selection.subscribed || mailbox.subscribed) && (!selection.special_use || has_special_use(mailbox.role));
}

// INBOX is the same in any case, also as the parent of others (RFC 9051 §5.1).
class Patterns {
 public:
  explicit Patterns(std::span<const std::string> patterns) {
    constexpr std::string_view inbox_level = "INBOX/";
    for (const std::string& pattern : patterns) {
      exact_.emplace_back(istarts_with(pattern, inbox_level) ? std::string(inbox_level) + pattern.substr(inbox_level.size()) : pattern);
      upper_.emplace_back(to_upper(pattern));
    }
  }
  [[nodiscard]] bool match(const Mailbox& mailbox) const {
    const auto one = [&](const ListPattern& pattern) { return pattern.matches(mailbox.path); };
    return std::ranges::any_of(mailbox.role == Role::inbox ? upper_ : exact_, one);
  }

 private:
  std::vector<ListPattern> exact_, upper_;
};

struct Below {
  bool any = false, selected = false;
  bool unlisted = false;  // one that is selected matches no pattern
};

// What lies below each mailbox, gathered from the leaves up.
std::map<std::string_view, Below> find_below(std::span<const Mailbox> mailboxes, const Patterns& wanted, const ListSelection& selection) {
  std::map<std::string_view, Below> below;  // by path
  for (const Mailbox& mailbox : mailboxes | std::views::reverse) {
    const std::string_view path = mailbox.path;
    const std::size_t last = path.rfind(level_end);
    if (last == std::string_view::npos) continue;
    const bool selected = is_selected(mailbox, selection);
    const auto own = below.find(path);
    const Below under = own == below.end() ? Below{} : own->second;
    Below& parent = below[path.substr(0, last)];
    parent.any |= exists(mailbox);
    parent.selected |= selected || under.selected;
    parent.unlisted |= under.unlisted || (selection.recursive_match && selected && !wanted.match(mailbox));
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

std::vector<ListedMailbox> list_mailboxes(std::span<const Mailbox> mailboxes, std::span<const std::string> patterns,
                                          ListSelection selection) {
  const Patterns wanted(patterns);
  const auto below = find_below(mailboxes, wanted, selection);
  std::vector<ListedMailbox> listed;
  for (const Mailbox& mailbox : mailboxes) {
    const auto found = below.find(mailbox.path);
    const Below under = found == below.end() ? Below{} : found->second;
    const bool selected = is_selected(mailbox, selection);
    if (!selected && !under.unlisted) continue;  // RFC 5258 §3.5: no CHILDINFO that says nothing
    if (wanted.match(mailbox)) listed.push_back({&mailbox, under.any, selected, selection.recursive_match && under.selected});
  }
  return listed;
}

}  // namespace keystonemail::service::imap
