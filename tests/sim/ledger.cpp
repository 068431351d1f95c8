// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "sim/ledger.hpp"

#include <algorithm>
#include <charconv>
#include <span>

namespace keystonemail::sim {
namespace {

constexpr std::string_view token_name = "X-Token: ";
constexpr std::size_t token_digits = 8;
constexpr std::size_t violations_max = 40;  // one fault shows in many places

// Whether these are header fields of these names and nothing else.
bool are_fields(std::string_view text, std::span<const std::string_view> names) {
  while (!text.empty()) {
    const auto end = text.find("\r\n");
    if (end == std::string_view::npos) return false;
    const std::string_view line = text.substr(0, end);
    if (!std::ranges::any_of(names, [&](std::string_view name) { return line.starts_with(name); })) return false;
    text.remove_prefix(end + 2);
  }
  return true;
}

std::string at(Place place, Token token) {
  return (place == queue_place ? "queue" : "account " + std::to_string(place)) + ", message " + std::to_string(token);
}

}  // namespace

bool is_as_sent(std::string_view stored, std::string_view sent) {
  constexpr std::string_view trace[] = {"Return-Path:", "Delivered-To:", "Received:", "Authentication-Results:", "ARC-", "List-", " ", "\t"};
  constexpr std::string_view completion[] = {"Date:", "Message-ID:"};
  const std::string_view header = sent.substr(0, sent.find("\r\n\r\n") + 2), rest = sent.substr(header.size());
  if (!stored.ends_with(rest)) return false;
  stored.remove_suffix(rest.size());
  const auto found = stored.find(header);
  return found != std::string_view::npos && are_fields(stored.substr(0, found), trace) &&
         are_fields(stored.substr(found + header.size()), completion);
}

std::string token_field(Token token) {
  std::string digits = std::to_string(token);
  return std::string(token_name) + std::string(token_digits - digits.size(), '0') + digits + "\r\n";
}

std::optional<Token> token_of(std::string_view text) {
  const auto found = text.find(token_name);
  if (found == std::string_view::npos || text.size() < found + token_name.size() + token_digits) return std::nullopt;
  const std::string_view digits = text.substr(found + token_name.size(), token_digits);
  Token token = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), token);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return token;
}

void Ledger::violation(std::string what) {
  if (violations_.size() < violations_max) violations_.push_back(std::move(what));
}

ActNumber Ledger::begin(Act act) {
  acts_.push_back(std::move(act));
  return acts_.size() - 1;
}

std::size_t Ledger::count(Answer answer) const {
  return static_cast<std::size_t>(std::ranges::count(acts_, answer, &Act::answer));
}

bool Ledger::begin_flag(Place account, Token token, const std::string& flag) {
  FlagRecord& record = flags_[{account, token, flag}];
  if (record.open) return false;
  record = {FlagState::unknown, record.state, true};
  return true;
}

void Ledger::settle_flag(Place account, Token token, const std::string& flag, Answer answer, bool present) {
  FlagRecord& record = flags_[{account, token, flag}];
  record.open = false;
  if (answer == Answer::yes) record.state = present ? FlagState::present : FlagState::absent;
  if (answer == Answer::no) record.state = record.before;
}

// The message this is, whole and unchanged; anything else is a violation.
std::optional<Token> Ledger::identify(Place place, std::string_view text) {
  const auto token = token_of(text);
  if (!token || *token >= texts_.size()) {
    violation("place " + std::to_string(place) + ": a message nobody sent: " + std::string(text.substr(0, 200)));
    return std::nullopt;
  }
  const std::string& sent = texts_[*token];
  if (!is_as_sent(text, sent)) {
    violation(at(place, *token) + ": not as it was sent: " + std::to_string(text.size()) + " octets of " +
              std::to_string(sent.size()));
  }
  return token;
}

void Ledger::shown(Place account, const std::string& path, std::uint32_t uid_validity, mailstore::Uid uid, std::string_view text) {
  const auto token = identify(account, text);
  if (!token) return;
  seen_.insert({account, *token});
  const auto [known, fresh] = shown_.try_emplace({account, path, uid_validity, uid}, *token);
  if (!fresh && known->second != *token) {
    violation(at(account, *token) + ": UID " + std::to_string(uid) + " of " + path + " was shown as another message before");
  }
}

bool Ledger::claim(Place account, const std::string& path, std::uint32_t uid_validity, mailstore::Uid uid) {
  return claimed_.insert({account, path, uid_validity, uid}).second;
}

void Ledger::audit(const StoredState& state) {
  std::map<std::pair<Place, Token>, int> copies;
  for (const auto& account : state.accounts) audit_account(account, copies);
  for (const auto& text : state.queued) {
    if (const auto token = identify(queue_place, text)) {
      ++copies[{queue_place, *token}];
      seen_.insert({queue_place, *token});
    }
  }
  audit_copies(copies);
}

void Ledger::audit_account(const StoredAccount& account, std::map<std::pair<Place, Token>, int>& copies) {
  std::uint64_t octets = 0, messages = 0;
  for (const auto& mailbox : account.mailboxes) {
    audit_mailbox(account, mailbox, copies);
    octets += mailbox.facts.octets;
    messages += mailbox.rows.size();
  }
  const auto& quota = account.facts.quota;
  const std::string name = "account " + std::to_string(account.place);
  if (quota.octets_used != octets || quota.messages_used != messages) {
    violation(name + ": quota says " + std::to_string(quota.octets_used) + " octets in " + std::to_string(quota.messages_used) +
              ", there are " + std::to_string(octets) + " in " + std::to_string(messages));
  }
  if ((quota.octets_limit != 0 && octets > quota.octets_limit) || (quota.messages_limit != 0 && messages > quota.messages_limit)) {
    violation(name + ": over its quota");
  }
  mailstore::ModSeq& last = modseqs_[account.place];
  if (account.facts.modseq < last) violation(name + ": modseq went back");
  last = account.facts.modseq;
}

void Ledger::audit_mailbox(const StoredAccount& account, const StoredMailbox& mailbox,
                           std::map<std::pair<Place, Token>, int>& copies) {
  const auto& facts = mailbox.facts;
  const std::string name = "account " + std::to_string(account.place) + ", " + facts.path;
  MailboxRecord& record = mailboxes_[{account.place, static_cast<std::uint32_t>(facts.id)}];
  if (record.uid_validity != 0 && record.uid_validity != facts.uid_validity) violation(name + ": UIDVALIDITY changed");
  const auto [named, fresh] = names_.try_emplace({account.place, facts.path, facts.uid_validity}, facts.id);
  if (!fresh && named->second != facts.id) violation(name + ": a UIDVALIDITY is used again for another mailbox");
  if (facts.uid_next < record.uid_next) violation(name + ": UIDNEXT went back");
  if (facts.highest_modseq < record.highest_modseq) violation(name + ": HIGHESTMODSEQ went back");
  if (facts.highest_modseq > account.facts.modseq) violation(name + ": HIGHESTMODSEQ is beyond the account's");
  std::uint64_t octets = 0;
  mailstore::Uid last = 0;
  for (const auto& row : mailbox.rows) {
    octets += row.octets;
    if (row.uid <= last) violation(name + ": UIDs do not ascend");
    last = row.uid;
    if (row.octets != row.text.size()) violation(name + ": a wrong size");
    if (row.modseq > facts.highest_modseq) violation(name + ": a message's modseq is beyond HIGHESTMODSEQ");
    const auto token = identify(account.place, row.text);
    if (!token) continue;
    ++copies[{account.place, *token}];
    seen_.insert({account.place, *token});
    const auto [known, first_seen] = record.messages.try_emplace(row.uid, *token);
    const std::string uid = ": UID " + std::to_string(row.uid);
    if (!first_seen && known->second != *token) violation(name + uid + " used again");
    if (first_seen && row.uid < record.uid_next) violation(name + uid + " is below what UIDNEXT was");
    const auto said = shown_.find({account.place, facts.path, facts.uid_validity, row.uid});
    if (said != shown_.end() && said->second != *token) violation(name + uid + " was shown as another");
    audit_flags(account.place, *token, row);
  }
  if (last >= facts.uid_next) violation(name + ": UIDNEXT is not above the last UID");
  if (octets != facts.octets || mailbox.rows.size() != facts.messages) violation(name + ": counts are wrong");
  record.uid_validity = facts.uid_validity;
  record.uid_next = facts.uid_next;
  record.highest_modseq = facts.highest_modseq;
}

void Ledger::audit_flags(Place account, Token token, const StoredRow& row) {
  for (auto at_flag = flags_.lower_bound({account, token, ""}); at_flag != flags_.end(); ++at_flag) {
    const auto& [key, record] = *at_flag;
    if (std::get<0>(key) != account || std::get<1>(key) != token) break;
    if (record.state == FlagState::unknown) continue;
    if (row.flags.contains(std::get<2>(key)) != (record.state == FlagState::present)) {
      violation(at(account, token) + ": flag " + std::get<2>(key) + " is not as acknowledged");
    }
  }
}

void Ledger::audit_copies(const std::map<std::pair<Place, Token>, int>& copies) {
  std::map<std::pair<Place, Token>, std::pair<int, int>> expected;  // least and most
  for (const Act& act : acts_) {
    bool some = false, all = true;
    for (const Effect& effect : act.effects) {
      auto& [least, most] = expected[{effect.place, effect.token}];
      const bool certain = act.answer == Answer::yes && effect.sure;
      if (certain || (act.answer != Answer::no && effect.copies < 0)) least += effect.copies;
      if (certain || (act.answer != Answer::no && effect.copies > 0)) most += effect.copies;
      if (!effect.sure) continue;
      const bool seen = seen_.contains({effect.place, effect.token});
      some = some || seen;
      all = all && seen;
    }
    // Once the messages have come, whoever removes one has seen it.
    if (act.brings && act.answer == Answer::unknown && some && !all) {
      violation(at(act.effects[0].place, act.effects[0].token) + ": half of what came together is there");
    }
  }
  for (const auto& [key, count] : copies) {
    if (!expected.contains(key)) violation(at(key.first, key.second) + ": there, but was never sent to it");
  }
  for (const auto& [key, bounds] : expected) {
    const auto found = copies.find(key);
    const int count = found == copies.end() ? 0 : found->second;
    if (count < bounds.first) violation(at(key.first, key.second) + ": acknowledged and missing");
    if (count > bounds.second) violation(at(key.first, key.second) + ": there more often than it was taken");
  }
}

}  // namespace keystonemail::sim
