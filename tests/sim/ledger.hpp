// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Ledger: what clients did, what they were told, and whether what is in the store agrees with it. A client that got no
// answer does not know; then both outcomes are right, but nothing in between.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "keystonemail/mailstore/mailstore.hpp"

namespace keystonemail::sim {

using Token = std::uint32_t;  // of a message; stands in it as "X-Token: 00000017"
using Place = std::uint32_t;  // an account's number, or the queue
inline constexpr Place queue_place = 0;

enum class Answer : std::uint8_t { open, yes, no, unknown };

// One message more or fewer in one place.
struct Effect {
  Place place = 0;
  Token token = 0;
  int copies = 1;
  bool sure = true;  // false: the client cannot tell whether this was part of the act
};

// What a client tried. All of its effects come about, or none.
struct Act {
  std::vector<Effect> effects;
  bool brings = false;  // the messages come in by it, rather than being copied or removed
  Answer answer = Answer::open;
};
using ActNumber = std::size_t;

enum class FlagState : std::uint8_t { absent, present, unknown };

// A message as the store has it.
struct StoredRow {
  mailstore::Uid uid = 0;
  mailstore::ModSeq modseq = 0;
  std::uint64_t octets = 0;
  std::set<std::string> flags;
  std::string text;
};
struct StoredMailbox {
  mailstore::Mailbox facts;
  std::vector<StoredRow> rows;
};
struct StoredAccount {
  Place place = 0;
  mailstore::AccountInfo facts;
  std::vector<StoredMailbox> mailboxes;
};
struct StoredState {
  std::vector<StoredAccount> accounts;
  std::vector<std::string> queued;
};

class Ledger {
 public:
  // The text of a new message is made with its token.
  [[nodiscard]] Token next_token() const noexcept { return static_cast<Token>(texts_.size()); }
  void add_message(std::string text) { texts_.push_back(std::move(text)); }
  [[nodiscard]] const std::string& text(Token token) const { return texts_.at(token); }

  [[nodiscard]] ActNumber begin(Act act);
  void settle(ActNumber number, Answer answer) { acts_[number].answer = answer; }
  // What the act was is known better now.
  void amend(ActNumber number, std::vector<Effect> effects) { acts_[number].effects = std::move(effects); }
  [[nodiscard]] std::size_t count(Answer answer) const;

  // The message comes with this flag.
  void comes_with(Place account, Token token, const std::string& flag) { flags_[{account, token, flag}].state = FlagState::present; }
  // One change at a time for each flag of each message; false: one is under way.
  [[nodiscard]] bool begin_flag(Place account, Token token, const std::string& flag);
  void settle_flag(Place account, Token token, const std::string& flag, Answer answer, bool present);

  // A client was shown this message under this number.
  void shown(Place account, const std::string& path, std::uint32_t uid_validity, mailstore::Uid uid, std::string_view text);
  // Whether nobody else means to remove this message; then it is this client's to remove.
  [[nodiscard]] bool claim(Place account, const std::string& path, std::uint32_t uid_validity, mailstore::Uid uid);

  // Compares with what is stored. At any moment.
  void audit(const StoredState& state);
  void violation(std::string what);
  [[nodiscard]] const std::vector<std::string>& violations() const noexcept { return violations_; }

 private:
  struct FlagRecord {
    FlagState state = FlagState::absent;
    FlagState before = FlagState::absent;
    bool open = false;
  };
  struct MailboxRecord {
    std::uint32_t uid_validity = 0;
    mailstore::Uid uid_next = 1;
    mailstore::ModSeq highest_modseq = 0;
    std::map<mailstore::Uid, Token> messages;  // every one there ever was
  };
  using Shown = std::tuple<Place, std::string, std::uint32_t, mailstore::Uid>;

  std::optional<Token> identify(Place place, std::string_view text);
  void audit_account(const StoredAccount& account, std::map<std::pair<Place, Token>, int>& copies);
  void audit_mailbox(const StoredAccount& account, const StoredMailbox& mailbox, std::map<std::pair<Place, Token>, int>& copies);
  void audit_flags(Place account, Token token, const StoredRow& row);
  void audit_copies(const std::map<std::pair<Place, Token>, int>& copies);

  std::vector<std::string> texts_;
  std::vector<Act> acts_;
  std::map<std::tuple<Place, Token, std::string>, FlagRecord> flags_;
  std::map<Shown, Token> shown_;
  std::set<Shown> claimed_;
  std::set<std::pair<Place, Token>> seen_;
  std::map<std::pair<Place, std::uint32_t>, MailboxRecord> mailboxes_;
  std::map<std::tuple<Place, std::string, std::uint32_t>, mailstore::MailboxId> names_;
  std::map<Place, mailstore::ModSeq> modseqs_;
  std::vector<std::string> violations_;
};

// Whether `stored` is `sent` with what a server may add: trace fields before it (RFC 5321 §4.4), and Date and Message-ID
// behind the header of a submitted message (RFC 6409 §8).
[[nodiscard]] bool is_as_sent(std::string_view stored, std::string_view sent);
// The token in a message's header.
[[nodiscard]] std::optional<Token> token_of(std::string_view text);
[[nodiscard]] std::string token_field(Token token);

}  // namespace keystonemail::sim
