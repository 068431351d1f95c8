// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// LIST (RFC 9051 §6.3.9) with LIST-EXTENDED (RFC 5258), SPECIAL-USE (RFC 6154) and LIST-STATUS (RFC 5819); LSUB (RFC 3501).
#include <algorithm>

#include "codec/nfc.hpp"
#include "service/imap/command/commands.hpp"
#include "service/imap/command/status.hpp"
#include "service/imap/mailbox_tree.hpp"
#include "service/imap/session.hpp"
#include "service/imap/special_use.hpp"

namespace keystonemail::service::imap {

namespace {

constexpr std::size_t list_work_between_yields = 1'000'000;   // some ms
constexpr char separator = mailstore::limits::hierarchy_separator;

std::uint32_t bit(engine::MailboxAttribute attribute) noexcept { return static_cast<std::uint32_t>(attribute); }

// The reference is put in front as it stands, unless the pattern starts at the root (§6.3.9). Names are in NFC (§5.1).
std::vector<std::string> full_patterns(const engine::List& command) {
  std::vector<std::string> patterns;
  for (const std::string& pattern : command.patterns) {
    std::string full = pattern.starts_with(separator) ? pattern : command.reference + pattern;
    auto normal = codec::to_nfc(full);
    patterns.push_back(normal ? *std::move(normal) : std::move(full));
  }
  return patterns;
}

void write_entry(Session& session, const engine::List& command, const ListedMailbox& listed) {
  using engine::MailboxAttribute;
  const mailstore::Mailbox& mailbox = *listed.mailbox;
  engine::ListEntry entry{.separator = separator, .mailbox = mailbox.path};
  entry.attributes = bit(listed.has_children ? MailboxAttribute::has_children : MailboxAttribute::has_no_children);
  const auto use = special_use_of(mailbox.role);
  // Whoever selects by subscription sees subscriptions (RFC 5258 §3.1); special uses are shown to all (RFC 6154 §2).
  if (mailbox.subscribed && (command.give.subscribed || command.select.subscribed)) {
    entry.attributes |= bit(MailboxAttribute::subscribed);
  }
  if (!exists(mailbox)) entry.attributes |= bit(MailboxAttribute::nonexistent);
  if (use) entry.special_uses = {&*use, 1};
  entry.child_info_subscribed = listed.selected_below && command.select.subscribed;
  session.out().list(entry);
}

void write_lsub(Session& session, const ListedMailbox& listed) {
  engine::ListEntry entry{.separator = separator, .mailbox = listed.mailbox->path};
  // RFC 3501 §6.3.9: a parent that is not subscribed stands for what is subscribed below it. What is no more cannot be selected.
  if (!listed.mailbox->subscribed || !exists(*listed.mailbox)) entry.attributes = bit(engine::MailboxAttribute::no_select);
  session.out().lsub(entry);
}

// Which of the mailboxes match. Others have their turn in between.
Task<std::vector<bool>> match(Session& session, const std::vector<mailstore::Mailbox>& mailboxes, const std::vector<std::string>& patterns) {
  const PatternSet wanted(patterns);
  std::vector<bool> matching;
  matching.reserve(mailboxes.size());
  std::size_t work = 0;
  for (const mailstore::Mailbox& mailbox : mailboxes) {
    matching.push_back(wanted.matches(mailbox));
    work += wanted.work() * (mailbox.path.size() + 1);
    if (work < list_work_between_yields) continue;
    work = 0;
    co_await yield(*session.working().executor);
  }
  co_return matching;
}

// An empty pattern asks for the separator and the root (§6.3.9).
bool asks_for_separator(const engine::List& command) {
  return !command.extended && command.patterns.size() == 1 && command.patterns.front().empty();
}

}  // namespace

Task<Reply> execute(Session& session, engine::List command) {
  const std::string_view done = command.lsub ? "LSUB completed" : "LIST completed";
  if (asks_for_separator(command)) {
    const engine::ListEntry root{.attributes = bit(engine::MailboxAttribute::no_select), .separator = separator, .mailbox = ""};
    command.lsub ? session.out().lsub(root) : session.out().list(root);
    co_return ok(done);
  }
  auto mailboxes = co_await session.store().mailboxes(session.account(), session.working());
  if (!mailboxes) co_return reply_for(mailboxes.error());
  const auto patterns = full_patterns(command);
  // LSUB with % shows parents of what is subscribed; with * it does not (RFC 3501 §6.3.9).
  const bool parents = command.lsub && std::ranges::any_of(patterns, [](const auto& p) { return p.ends_with('%'); });
  const ListSelection selection{.subscribed = command.select.subscribed || command.lsub,
                                .special_use = command.select.special_use,
                                .recursive_match = command.select.recursive_match || parents};
  if (selection.subscribed) {  // names stay subscribed to when their mailboxes go (RFC 3501 §6.3.9)
    const auto names = co_await session.store().kept_subscriptions(session.account(), session.working());
    if (!names) co_return reply_for(names.error());
    add_names(*mailboxes, *names);
  }
  const std::vector<bool> matching = co_await match(session, *mailboxes, patterns);
  for (const ListedMailbox& listed : list_mailboxes(*mailboxes, matching, selection)) {
    if (command.lsub) {
      write_lsub(session, listed);
    } else {
      write_entry(session, command, listed);
      // RFC 5819 §2: none for what is there only because of its children or is no mailbox; one that cannot be had is left out.
      const bool has_status = listed.selected && exists(*listed.mailbox);
      if (command.give.status && has_status) (void)co_await write_status(session, *listed.mailbox, *command.give.status);
    }
    if (session.output_full() && !co_await session.flush()) break;
  }
  co_return ok(done);
}

}  // namespace keystonemail::service::imap
