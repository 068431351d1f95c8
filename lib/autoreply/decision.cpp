// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/autoreply/decision.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "keystonemail/base/text.hpp"
#include "keystonemail/mime/address.hpp"
#include "keystonemail/mime/address_list.hpp"
#include "keystonemail/mime/header.hpp"

namespace keystonemail::autoreply {
namespace {

constexpr std::string_view batv_prefix = "prvs=";  // prvs=TAG=local: its tag changes by the day

// RFC 5230 §4.6: addresses that are not read by anybody. Postmaster is not among them: people have it.
constexpr std::array robots{std::string_view("mailer-daemon"), std::string_view("daemon"),    std::string_view("nobody"),
                            std::string_view("listserv"),      std::string_view("majordomo"), std::string_view("mailman"),
                            std::string_view("sympa"),         std::string_view("bounce"),    std::string_view("bounces"),
                            std::string_view("autoreply"),     std::string_view("auto-reply"), std::string_view("autoresponder")};
constexpr std::array robot_begins{std::string_view("owner-"), std::string_view("bounce-"), std::string_view("bounce+"),
                                  std::string_view("bounces-"), std::string_view("bounces+"), std::string_view("mailer-daemon")};
constexpr std::array robot_ends{std::string_view("-owner"), std::string_view("-request"), std::string_view("-bounce"), std::string_view("-bounces")};
// Written with hyphens, dots or underscores, or without.
constexpr std::array unread{std::string_view("noreply"), std::string_view("donotreply"), std::string_view("neverreply")};
// Fields of other responders.
constexpr std::array machine_fields{std::string_view("X-Autoreply"), std::string_view("X-Autorespond"), std::string_view("X-Autoresponder"),
                                    std::string_view("X-Mail-Autoreply")};
constexpr std::array bulk_words{std::string_view("bulk"), std::string_view("list"), std::string_view("junk"), std::string_view("auto_reply")};
constexpr std::array suppressed{std::string_view("all"), std::string_view("oof"), std::string_view("autoreply")};

std::string_view without_tag(std::string_view local) {
  if (!istarts_with(local, batv_prefix)) return local;
  const auto end = local.find('=', batv_prefix.size());
  return end == std::string_view::npos || end + 1 == local.size() ? local : local.substr(end + 1);
}

bool is_robot(std::string_view local_part) {
  const std::string local = to_lower(without_tag(local_part));
  const auto begins = [&](std::string_view word) { return local.starts_with(word); };
  const auto ends = [&](std::string_view word) { return local.size() > word.size() && local.ends_with(word); };
  if (std::ranges::find(robots, local) != robots.end()) return true;
  if (std::ranges::any_of(robot_begins, begins) || std::ranges::any_of(robot_ends, ends)) return true;
  if (local.find("-return-") != std::string::npos) return true;  // of ezmlm
  std::string plain = local.substr(0, local.find('+'));
  std::erase_if(plain, [](char c) { return c == '-' || c == '_' || c == '.'; });
  return std::ranges::any_of(unread, [&](std::string_view word) { return plain.starts_with(word) || plain.ends_with(word); });
}

// The first word of a value, in lower case: what stands before a blank, a comment, or a parameter.
std::string first_word(std::string_view value) {
  const std::string text = mime::unfold(value);
  std::string_view rest = trim(text);
  while (rest.starts_with('(')) {  // RFC 3834 §5.1: a comment may come first
    const auto end = rest.find(')');
    if (end == std::string_view::npos) break;
    rest = trim(rest.substr(end + 1));
  }
  return to_lower(rest.substr(0, rest.find_first_of("; \t(,")));
}

bool is_listed(std::string_view value, std::span<const std::string_view> words) {
  const std::string text = to_lower(mime::unfold(value));
  std::string_view rest = text;
  while (!rest.empty()) {
    const auto end = std::min(rest.find(','), rest.size());
    if (std::ranges::find(words, trim(rest.substr(0, end))) != words.end()) return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

// What is said against an answer by one field.
std::optional<Silence> objection(const mime::Field& field) {
  if (istarts_with(field.name, "List-")) return Silence::list;  // RFC 2369, RFC 2919
  if (field.id == mime::FieldName::content_type && istarts_with(trim(mime::unfold(field.value)), "multipart/report")) return Silence::report;
  if (field.id != mime::FieldName::other) return std::nullopt;
  if (iequals(field.name, "Auto-Submitted") && first_word(field.value) != "no") return Silence::automatic;
  if (iequals(field.name, "Precedence") && std::ranges::find(bulk_words, first_word(field.value)) != bulk_words.end()) return Silence::bulk;
  if (iequals(field.name, "X-Auto-Response-Suppress") && is_listed(field.value, suppressed)) return Silence::automatic;
  if (std::ranges::any_of(machine_fields, [&](std::string_view name) { return iequals(field.name, name); })) return Silence::automatic;
  const bool is_spam_field = iequals(field.name, "X-Spam-Flag") || iequals(field.name, "X-Spam") || iequals(field.name, "X-Spam-Status");
  if (is_spam_field && first_word(field.value) == "yes") return Silence::spam;
  return std::nullopt;
}

bool names_recipients(mime::FieldName name) {
  using enum mime::FieldName;
  return name == to || name == cc || name == bcc || name == resent_to || name == resent_cc || name == resent_bcc;
}

// One of his addresses, by what it may be written as.
struct Own {
  std::string key, person;
  const std::string* address;
};

std::vector<Own> known_as(std::span<const std::string> own) {
  std::vector<Own> out;
  for (const std::string& address : own) {
    const auto parsed = mime::Address::parse(address);
    auto person = person_key(address);
    if (parsed && person) out.push_back({parsed->key(), *std::move(person), &address});
  }
  return out;
}

// That of his addresses which the header names: as it stands there if it can be.
const std::string* find_own(std::string_view header, const std::vector<Own>& own) {
  const std::string* found = nullptr;
  mime::HeaderReader reader(header);
  while (const auto field = reader.next()) {
    if (!names_recipients(field->id)) continue;
    for (const mime::ListedAddress& listed : mime::parse_address_list(field->value)) {
      const auto address = listed.address();
      if (!address) continue;
      const std::string key = address->key();
      const auto exact = std::ranges::find(own, key, &Own::key);
      if (exact != own.end()) return exact->address;
      if (found != nullptr) continue;
      const auto same = std::ranges::find(own, person_key(key).value_or(key), &Own::person);
      if (same != own.end()) found = same->address;
    }
  }
  return found;
}

std::optional<Silence> find_objection(std::string_view header) {
  mime::HeaderReader reader(header);
  while (const auto field = reader.next())
    if (const auto found = objection(*field)) return found;
  return std::nullopt;
}

Decision silent(Silence why) { return {.silence = why}; }

}  // namespace

std::string_view to_string(Silence silence) noexcept {
  switch (silence) {
    case Silence::switched_off: return "switched off";
    case Silence::not_yet: return "the absence has not begun";
    case Silence::no_longer: return "the absence is over";
    case Silence::no_sender: return "it has no sender";
    case Silence::own_sender: return "it is from the account itself";
    case Silence::robot_sender: return "nobody reads what goes to its sender";
    case Silence::list: return "it came by a mailing list";
    case Silence::automatic: return "it is automatic, or wants no automatic answer";
    case Silence::bulk: return "it was sent to many";
    case Silence::report: return "it is a report";
    case Silence::spam: return "it is held to be spam";
    case Silence::forged: return "DMARC failed";
    case Silence::unproven_sender: return "nobody vouches for its sender";
    case Silence::not_addressed: return "it does not name the account in To, Cc or Bcc";
    case Silence::answered_lately: return "its sender was answered lately";
    case Silence::enough_answers: return "the account has given as many answers as it may in a day";
    case Silence::many_absent: return "enough of those that it is for have answered it";
    case Silence::nobody_there: return "its sender cannot be reached";
    case Silence::failed: return "it could not be prepared";
  }
  return {};
}

std::optional<std::string> person_key(std::string_view address) {
  const auto parsed = mime::Address::parse(address);
  if (!parsed) return std::nullopt;
  std::string_view local = without_tag(parsed->local_part());
  const auto plus = local.find('+');
  if (plus != std::string_view::npos && plus > 0) local = local.substr(0, plus);
  const auto made = mime::Address::make(local, parsed->domain());
  return made ? made->key() : parsed->key();
}

Decision decide(const Settings& settings, const Occasion& occasion) {
  if (!settings.enabled) return silent(Silence::switched_off);
  if (settings.from && occasion.now < *settings.from) return silent(Silence::not_yet);
  if (settings.until && occasion.now >= *settings.until) return silent(Silence::no_longer);
  const auto sender = mime::Address::parse(occasion.sender);
  if (!sender) return silent(Silence::no_sender);
  const std::vector<Own> own = known_as(occasion.own);
  if (std::ranges::find(own, *person_key(occasion.sender), &Own::person) != own.end()) return silent(Silence::own_sender);
  if (is_robot(sender->local_part())) return silent(Silence::robot_sender);
  if (occasion.is_for_list) return silent(Silence::list);
  if (occasion.is_spam) return silent(Silence::spam);
  if (const auto found = find_objection(occasion.header)) return silent(*found);
  if (occasion.proof == Proof::forged) return silent(Silence::forged);
  if (occasion.proof == Proof::unproven) return silent(Silence::unproven_sender);
  const std::string* named = find_own(occasion.header, own);
  if (named == nullptr) return silent(Silence::not_addressed);
  return {.silence = {}, .address = *named};
}

}  // namespace keystonemail::autoreply
