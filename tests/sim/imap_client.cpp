// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <algorithm>
#include <charconv>
#include <utility>

#include "sim/clients.hpp"

namespace keystonemail::sim {
namespace {

const char* const common_mailboxes[] = {"INBOX", "Archive", "Trash", "Sent"};
const char* const flag_names[] = {"\\Seen", "\\Answered", "\\Flagged", "\\Draft", "$one", "$two"};

// The number after `name` in `text`, if it is there.
std::optional<std::uint64_t> number_after(std::string_view text, std::string_view name) {
  const auto at = text.find(name);
  if (at == std::string_view::npos) return std::nullopt;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data() + at + name.size(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  return number;
}

struct Outcome {
  Answer answer = Answer::unknown;
  std::string text;                     // of the tagged response
  std::vector<ImapResponse> untagged;
};

class ImapClient {
 public:
  ImapClient(World& world, Wire& wire, SeededRandom& random)
      : world_(world), wire_(wire), random_(random), person_(people[random.below(std::size(people))]) {}

  Task<void> run() {
    const auto greeting = co_await read_response(wire_);
    if (!greeting || !greeting->text.starts_with("* OK")) co_return;
    std::string password = password_of(person_);
    if (random_.below(15) == 0) password = "wrong";
    const Outcome login = co_await command("LOGIN " + address_of(person_) + " \"" + password + "\"");
    if (login.answer != Answer::yes) co_return;
    if (random_.below(3) == 0) (void)co_await command("ENABLE QRESYNC");
    co_await select();
    for (std::uint64_t left = 2 + random_.below(30); left > 0 && !wire_.over(); --left) {
      if (random_.below(5) == 0) co_await wire_.pause(std::chrono::milliseconds(5'000), random_);
      co_await act();
    }
    if (random_.below(3) != 0) (void)co_await command("LOGOUT");
  }

 private:
  struct Known {
    mailstore::Uid uid = 0;
    Token token = 0;
    bool mine = false;
  };

  Task<void> act() {
    switch (random_.below(14)) {
      case 0: case 1: co_return co_await append();
      case 2: case 3: co_return co_await fetch_all();
      case 4: case 5: co_return co_await store_flag();
      case 6: co_return co_await copy();
      case 7: co_return co_await move();
      case 8: case 9: co_return co_await remove();
      case 10: co_return co_await select();
      case 11: co_return co_await idle();
      case 12: co_return co_await scratch();
      default: co_return co_await other();
    }
  }

  // Sends a command and reads to its completion.
  Task<Outcome> command(std::string text) {
    const std::string tag = "t" + std::to_string(++tags_);
    Outcome outcome;
    const Sent sent = co_await wire_.send(tag + " " + text + "\r\n");
    if (sent == Sent::not_all) outcome.answer = Answer::no;  // without its last octet it is no command
    if (sent == Sent::all) co_await read_completion(tag, outcome);
    co_return outcome;
  }
  Task<void> read_completion(std::string tag, Outcome& outcome) {
    for (;;) {
      auto response = co_await read_response(wire_);
      if (!response) co_return;
      note(response->text);
      if (response->text.starts_with(tag + " ")) {
        outcome.text = response->text.substr(tag.size() + 1);
        outcome.answer = outcome.text.starts_with("OK") ? Answer::yes : Answer::no;
        co_return;
      }
      outcome.untagged.push_back(*std::move(response));
    }
  }
  // HIGHESTMODSEQ never goes back within a session.
  void note(std::string_view text) {
    const auto highest = number_after(text, "[HIGHESTMODSEQ ");
    if (!highest) return;
    if (*highest < highest_modseq_) world_.ledger.violation("a session was told a lower HIGHESTMODSEQ");
    highest_modseq_ = *highest;
  }

  Task<void> select() { return select(common_mailboxes[random_.below(std::size(common_mailboxes))]); }
  Task<void> select(std::string path) {
    known_.clear();
    path_.clear();
    highest_modseq_ = 0;
    const Outcome outcome = co_await command("SELECT " + path);
    if (outcome.answer != Answer::yes) co_return;
    std::optional<std::uint64_t> uid_next, exists;
    for (const auto& response : outcome.untagged) {
      if (const auto value = number_after(response.text, "[UIDVALIDITY ")) uid_validity_ = static_cast<std::uint32_t>(*value);
      if (const auto value = number_after(response.text, "[UIDNEXT ")) uid_next = value;
      // A second one would tell of what came meanwhile.
      if (!exists && response.text.ends_with(" EXISTS")) exists = number_after(response.text, "* ");
    }
    if (!uid_next || !exists || *exists >= *uid_next) world_.ledger.violation("SELECT: EXISTS and UIDNEXT do not agree");
    path_ = std::move(path);
  }

  Task<void> append() {
    const std::size_t count = random_.below(4) == 0 ? 2 : 1;
    const std::string path = common_mailboxes[random_.below(std::size(common_mailboxes))];
    Act act{.effects = {}, .brings = true};
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < count; ++i) {
      act.effects.push_back({person_.place, world_.ledger.next_token()});
      texts.push_back(draw_message(world_.ledger, random_, 220'000));
    }
    const auto effects = act.effects;
    const ActNumber number = world_.ledger.begin(std::move(act));
    Outcome outcome;
    if (random_.below(2) == 0) {
      outcome = co_await append_at_once(path, texts);
    } else {
      for (const Effect& effect : effects) world_.ledger.comes_with(effect.place, effect.token, "\\Seen");
      outcome = co_await append_in_steps(path, texts);
    }
    world_.ledger.settle(number, outcome.answer);
    if (outcome.answer != Answer::yes) co_return;
    learn_appended(path, outcome.text, effects);
  }
  Task<Outcome> append_at_once(const std::string& path, const std::vector<std::string>& texts) {
    std::string all = "APPEND " + path;
    for (const auto& text : texts) all += " {" + std::to_string(text.size()) + "+}\r\n" + text;
    return command(std::move(all));
  }
  Task<Outcome> append_in_steps(const std::string& path, const std::vector<std::string>& texts) {
    const std::string tag = "t" + std::to_string(++tags_);
    Outcome outcome;
    std::string next = tag + " APPEND " + path;
    for (const auto& text : texts) {
      next += " (\\Seen) {" + std::to_string(text.size()) + "}\r\n";
      const Sent begun = co_await wire_.send(next);
      bool wanted = begun == Sent::all;
      if (wanted) wanted = co_await go_ahead(tag, outcome);
      if (!wanted) {
        // Refused, or gone; without its end it is no command.
        outcome.answer = Answer::no;
        co_return outcome;
      }
      next = text;
    }
    const Sent sent = co_await wire_.send(next + "\r\n");
    if (sent == Sent::not_all) outcome.answer = Answer::no;
    if (sent == Sent::all) co_await read_completion(tag, outcome);
    co_return outcome;
  }
  Task<bool> go_ahead(std::string tag, Outcome& outcome) {
    for (;;) {
      auto response = co_await read_response(wire_);
      if (!response || response->text.starts_with(tag + " ")) co_return false;
      if (response->text.starts_with("+")) co_return true;
      outcome.untagged.push_back(*std::move(response));
    }
  }
  void learn_appended(const std::string& path, std::string_view text, const std::vector<Effect>& effects) {
    const auto code = text.find("[APPENDUID ");
    if (code == std::string_view::npos) return world_.ledger.violation("APPEND: OK without APPENDUID");
    const auto validity = number_after(text, "[APPENDUID ");
    const auto uid = number_after(text, std::to_string(*validity) + " ");
    if (!uid) return world_.ledger.violation("APPEND: no UID in " + std::string(text));
    world_.ledger.shown(person_.place, path, static_cast<std::uint32_t>(*validity), static_cast<mailstore::Uid>(*uid),
                        world_.ledger.text(effects[0].token));
  }

  Task<void> fetch_all() {
    if (path_.empty()) co_return;
    const char* range = random_.below(2) == 0 ? "1:*" : "*:1";
    const Outcome outcome = co_await command(std::string("UID FETCH ") + range + " (UID FLAGS MODSEQ RFC822.SIZE BODY.PEEK[])");
    for (const auto& response : outcome.untagged) {
      if (response.literals.size() != 1 || response.text.find(" FETCH (") == std::string::npos) continue;
      const auto uid = number_after(response.text, "UID ");
      const auto octets = number_after(response.text, "RFC822.SIZE ");
      const std::string& text = response.literals[0];
      if (!uid || !octets || *octets != text.size()) {
        world_.ledger.violation("FETCH: not what was asked for: " + response.text);
        continue;
      }
      learn(static_cast<mailstore::Uid>(*uid), text);
    }
  }
  void learn(mailstore::Uid uid, const std::string& text) {
    world_.ledger.shown(person_.place, path_, uid_validity_, uid, text);
    const auto token = token_of(text);
    const bool there = std::ranges::any_of(known_, [&](const Known& known) { return known.uid == uid; });
    if (token && !there) known_.push_back({uid, *token});
  }
  Known* draw_known() { return path_.empty() || known_.empty() ? nullptr : &known_[random_.below(known_.size())]; }

  Task<void> store_flag() {
    const Known* chosen = draw_known();
    if (chosen == nullptr) co_return;
    const Known known = *chosen;
    const std::string flag = flag_names[random_.below(std::size(flag_names))];
    const bool set = random_.below(3) != 0;
    if (!world_.ledger.begin_flag(person_.place, known.token, flag)) co_return;
    const char* silent = random_.below(2) == 0 ? ".SILENT" : "";
    std::string line = "UID STORE " + std::to_string(known.uid) + (set ? " +FLAGS" : " -FLAGS") + silent + " (" + flag + ")";
    const Outcome outcome = co_await command(std::move(line));
    // A message that somebody has removed or moved meanwhile is passed over with OK.
    const bool told = std::ranges::any_of(outcome.untagged, [&](const ImapResponse& response) {
      return response.text.find(" FETCH (") != std::string::npos && number_after(response.text, "UID ") == known.uid &&
             (response.text.find(flag) != std::string::npos) == set && response.text.find("FLAGS (") != std::string::npos;
    });
    const Answer answer = outcome.answer == Answer::yes && !told ? Answer::unknown : outcome.answer;
    world_.ledger.settle_flag(person_.place, known.token, flag, answer, set);
  }

  Task<void> copy() {
    const Known* chosen = draw_known();
    if (chosen == nullptr) co_return;
    const Known known = *chosen;
    const std::string to = common_mailboxes[random_.below(std::size(common_mailboxes))];
    co_await copy_to(known, to);
  }
  Task<Answer> copy_to(Known known, std::string to) {
    const ActNumber number = world_.ledger.begin({.effects = {{person_.place, known.token}}});
    const Outcome outcome = co_await command("UID COPY " + std::to_string(known.uid) + " " + to);
    const bool nothing = outcome.answer == Answer::yes && outcome.text.find("[COPYUID ") == std::string::npos;
    const Answer answer = nothing ? Answer::no : outcome.answer;
    world_.ledger.settle(number, answer);
    co_return answer;
  }
  // The message stays in the account, whatever happens.
  Task<void> move() {
    Known* known = draw_known();
    if (known == nullptr || !claim(*known)) co_return;
    const std::string uid = std::to_string(known->uid);
    (void)co_await command("UID MOVE " + uid + " " + common_mailboxes[random_.below(std::size(common_mailboxes))]);
  }
  bool claim(Known& known) {
    if (known.mine) return false;  // done with
    known.mine = true;
    return world_.ledger.claim(person_.place, path_, uid_validity_, known.uid);
  }

  Task<void> remove() {
    Known* known = draw_known();
    if (known == nullptr || !claim(*known)) co_return;
    const std::string uid = std::to_string(known->uid);
    const ActNumber number = world_.ledger.begin({.effects = {{person_.place, known->token, -1}}});
    const Outcome marked = co_await command("UID STORE " + uid + " +FLAGS.SILENT (\\Deleted)");
    if (marked.answer != Answer::yes) co_return world_.ledger.settle(number, marked.answer);
    const Outcome removed = co_await command("UID EXPUNGE " + uid);
    // Marked it stays, so that somebody else's EXPUNGE may still take it.
    world_.ledger.settle(number, removed.answer == Answer::yes ? Answer::yes : Answer::unknown);
  }

  // A mailbox of its own: made, filled, renamed, deleted.
  Task<void> scratch() {
    const std::string name = "scratch/" + std::to_string(random_.next_u64() % 100'000);
    const Outcome made = co_await command("CREATE " + name);
    if (made.answer != Answer::yes) co_return;
    std::vector<Effect> copies;
    for (std::uint64_t left = random_.below(3); left > 0; --left) {
      const Known* chosen = draw_known();
      if (chosen == nullptr) break;
      const Known known = *chosen;
      const Answer copied = co_await copy_to(known, name);
      if (copied == Answer::yes) copies.push_back({person_.place, known.token, -1});
      if (wire_.over()) co_return;
    }
    std::string last = name;
    if (random_.below(2) == 0) {
      const auto renamed = co_await command("RENAME " + name + " " + name + "-b");
      if (renamed.answer == Answer::yes) last += "-b";
    }
    if (random_.below(3) == 0) co_return;
    const ActNumber number = world_.ledger.begin({.effects = copies});
    const Outcome deleted = co_await command("DELETE " + last);
    world_.ledger.settle(number, deleted.answer);
  }

  Task<void> idle() {
    const std::string tag = "t" + std::to_string(++tags_);
    Outcome outcome;
    Sent sent = co_await wire_.send(tag + " IDLE\r\n");
    if (sent != Sent::all) co_return;
    const bool idling = co_await go_ahead(tag, outcome);
    if (!idling) co_return;
    co_await wire_.pause(std::chrono::milliseconds(60'000), random_);
    sent = co_await wire_.send("DONE\r\n");
    if (sent == Sent::all) co_await read_completion(tag, outcome);
  }

  Task<void> other() {
    static constexpr const char* commands[] = {
        "NOOP", "CAPABILITY", "LIST \"\" *", "STATUS INBOX (MESSAGES UIDNEXT UNSEEN SIZE)", "UID SEARCH HEADER X-Token 0000",
        "SEARCH RETURN (MIN MAX COUNT) ALL", "BOGUS", "FETCH 1:* (FLAGS", "UNSELECT", "CHECK", "NAMESPACE", "GETQUOTAROOT INBOX",
        "SEARCH TEXT message", "FETCH 1:* (ENVELOPE BODYSTRUCTURE)", "SUBSCRIBE Archive", "DELETE INBOX", "COPY 4294967295 Trash",
        "UID EXPUNGE 4294967295", "ID NIL", "APPEND nowhere {3+}\r\nabc"};
    const std::string chosen = commands[random_.below(std::size(commands))];
    (void)co_await command(chosen);
    if (chosen == "UNSELECT") path_.clear();
  }

  World& world_;
  Wire& wire_;
  SeededRandom& random_;
  const Person& person_;
  std::string path_;               // selected; empty: none
  std::uint32_t uid_validity_ = 0;
  std::uint64_t highest_modseq_ = 0;
  std::vector<Known> known_;
  unsigned tags_ = 0;
};

}  // namespace

Task<void> run_imap_client(World& world, Wire& wire, SeededRandom& random) {
  ImapClient client(world, wire, random);
  co_await client.run();
}

}  // namespace keystonemail::sim
