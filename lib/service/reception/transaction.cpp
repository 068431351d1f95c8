// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/reception/transaction.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <utility>

#include "keystonemail/base/text.hpp"
#include "keystonemail/mime/address.hpp"

namespace keystonemail::reception {
namespace {

constexpr std::size_t delivered_to_max = 100;

std::string key_of(std::string_view address) {
  const auto parsed = mime::Address::parse(trim(address));
  return parsed ? parsed->key() : to_lower(trim(address));
}

}  // namespace

Given given_by(const smtp::RcptTo& event) {
  const smtp::RcptParameters& asked = event.parameters;
  const auto& notify = asked.notify;
  return {.address = event.recipient.to_string(),
          .original_recipient = asked.original_recipient_type.empty() ? std::string() : asked.original_recipient_type + ";" + asked.original_recipient,
          .notify = {.specified = notify.given(), .never = notify.never, .success = notify.success, .failure = notify.failure, .delay = notify.delay}};
}

std::size_t HeaderCollector::feed(std::string_view piece) {
  if (complete_ || too_large_) return 0;
  const auto end = end_.find(piece);
  const std::string_view taken = piece.substr(0, end.value_or(piece.size()));
  look_at_begin(taken);
  if (begin_ != Begin::body && header_.size() + taken.size() > octets_max_) {
    too_large_ = true;
    return 0;
  }
  header_.append(taken);
  complete_ = end.has_value();
  if (begin_ == Begin::body) give_empty_line();
  return taken.size();
}

void HeaderCollector::finish() {
  if (complete_ || header_.empty() || begin_ == Begin::field) return;
  begin_ = Begin::body;
  give_empty_line();
}

// RFC 5322 §2.2, §4.5 (obs-optional): a name, perhaps blanks, a colon; or nothing, which ends the header.
void HeaderCollector::look_at_begin(std::string_view piece) noexcept {
  for (std::size_t i = 0; i < piece.size() && begin_ != Begin::field && begin_ != Begin::body; ++i) {
    const char c = piece[i];
    const bool is_first = header_.empty() && i == 0;
    if (is_first && (c == '\r' || c == '\n')) begin_ = Begin::field;
    else if (c == ':') begin_ = is_first ? Begin::body : Begin::field;
    else if (!is_first && (c == ' ' || c == '\t')) begin_ = Begin::blanks;
    else if (begin_ == Begin::blanks || c <= ' ' || c >= '\x7f') begin_ = Begin::body;
  }
}

void HeaderCollector::give_empty_line() {
  const std::string_view line = std::string_view(header_).substr(std::min(header_.find_first_not_of('>'), header_.size()));
  if (line.starts_with("From ")) {
    begin_ = Begin::field;
    return;
  }
  body_begin_ = std::exchange(header_, "\r\n");
  complete_ = true;
}

void HeaderCollector::append_fields(std::string_view fields) {
  if (!complete_ && !header_.empty() && !header_.ends_with('\n')) header_.append("\r\n");
  const std::size_t empty_line_octets = !complete_ ? 0 : header_.ends_with("\r\n") ? 2 : 1;
  header_.insert(header_.size() - empty_line_octets, fields);
}

void HeaderCollector::remove_fields(mime::FieldName name) {
  std::string kept;
  mime::HeaderReader reader(header_);
  std::size_t from = 0;
  while (const auto field = reader.next()) {
    if (field->id != name) continue;
    kept.append(header_, from, reader.octets() - field->raw.size() - from);
    from = reader.octets();
  }
  if (from == 0) return;
  header_ = kept.append(header_, from);
}

void Transaction::remove_recipient(std::string_view address) {
  std::erase_if(redirectors, [&](const auto& one) {
    return iequals(one.target, address) || iequals(one.address, address) || (one.accepted < given.size() && iequals(given[one.accepted].address, address));
  });
  std::erase_if(wishes, [&](const auto& wish) { return iequals(wish.address, address); });
  std::erase_if(judged, [&](const auto& recipient) { return iequals(recipient.address, address); });
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (!iequals(given[i].address, address)) continue;
    // Others may lead to the same mailbox or address.
    auto places = std::exchange(accepted[i], {});
    std::ranges::sort(places, std::greater());  // what is taken out moves those behind it
    for (const std::size_t place : places) {
      const bool shared = std::ranges::any_of(accepted, [&](const auto& other) { return std::ranges::find(other, place) != other.end(); });
      if (!shared) remove_local(place);
    }
  }
  remove_elsewhere(address);
  for (std::size_t i = local.size(); i > 0; --i) {
    if (iequals(local_addresses[i - 1], address)) remove_local(i - 1);
  }
}

void Transaction::remove_elsewhere(std::string_view address) {
  std::set<std::string> left;                   // keys of where fewer ways lead than before
  std::map<std::string, const Way*> ways;       // by such a key, the first that is left
  for (std::size_t i = 0; i < elsewhere.size(); ++i) {
    const bool whole = i < given.size() && iequals(given[i].address, address);
    const auto is_gone = [&](const Way& way) { return whole || iequals(way.target, address) || iequals(way.via, address); };
    for (const Way& way : elsewhere[i])
      if (is_gone(way)) left.insert(key_of(way.target));
    std::erase_if(elsewhere[i], is_gone);
    for (const Way& way : elsewhere[i]) ways.try_emplace(key_of(way.target), &way);
  }
  const auto is_lost = [&](const std::string& target) {
    const std::string key = key_of(target);
    return iequals(target, address) || (left.contains(key) && !ways.contains(key));
  };
  std::erase_if(remote, [&](const auto& recipient) { return is_lost(recipient.address); });
  std::erase_if(forwards, [&](const auto& forward) {
    return is_lost(forward.recipient.address) || (iequals(forward.via, address) && !ways.contains(key_of(forward.recipient.address)));
  });
  for (Forward& forward : forwards) {           // those that are left go on for somebody else
    const std::string key = key_of(forward.recipient.address);
    if (!left.contains(key)) continue;
    const Way& other = *ways.at(key);
    forward.via = other.via;
    forward.list = other.list;
    forward.is_redirect = std::ranges::any_of(redirectors, [&](const auto& one) { return one.address == other.via && key_of(one.target) == key; });
  }
}

std::vector<std::string> Transaction::stop_rounds(std::span<const std::string> passed) {
  std::vector<std::string> stopped;
  for (const auto& ways : elsewhere)
    for (const Way& way : ways)
      if (std::ranges::find(passed, key_of(way.via)) != passed.end() && std::ranges::find(stopped, way.via) == stopped.end()) stopped.push_back(way.via);
  const auto is_left = [&](std::size_t i) { return !accepted[i].empty() || !elsewhere[i].empty(); };
  std::vector<std::size_t> were_left;
  for (std::size_t i = 0; i < given.size(); ++i)
    if (is_left(i)) were_left.push_back(i);
  for (const std::string& via : stopped) {
    if (std::ranges::any_of(lists, [&](const auto& list) { return iequals(list.address, via); })) remove_members(via);
    remove_elsewhere(via);
    std::erase_if(redirectors, [&](const auto& one) { return iequals(one.address, via); });
  }
  for (const std::size_t i : were_left) {
    if (is_left(i)) continue;
    refused.push_back(i);
    std::erase_if(wishes, [&](const Wish& wish) { return wish.accepted == i; });
    std::erase_if(judged, [&](const auto& recipient) { return iequals(recipient.address, given[i].address); });
  }
  return stopped;
}

void Transaction::remove_members(std::string_view list) {
  std::set<std::size_t, std::greater<>> left;   // what is taken out moves those behind it
  for (std::size_t i = 0; i < accepted.size(); ++i) {
    const bool whole = iequals(given[i].address, list);
    const bool partly = std::ranges::any_of(elsewhere[i], [&](const Way& way) { return iequals(way.list, list); });
    if (!whole && !partly) continue;
    std::erase_if(accepted[i], [&](std::size_t place) {
      const bool is_member = whole || iequals(local_lists[place], list);
      if (is_member) left.insert(place);
      return is_member;
    });
  }
  for (const std::size_t place : left) {
    const bool shared = std::ranges::any_of(accepted, [&](const auto& other) { return std::ranges::find(other, place) != other.end(); });
    if (!shared) remove_local(place);
    else if (iequals(local_lists[place], list)) local_lists[place].clear();
  }
}

void Transaction::remove_local(std::size_t place) {
  local.erase(local.begin() + static_cast<std::ptrdiff_t>(place));
  local_addresses.erase(local_addresses.begin() + static_cast<std::ptrdiff_t>(place));
  local_lists.erase(local_lists.begin() + static_cast<std::ptrdiff_t>(place));
  for (auto& places : accepted) {
    std::erase(places, place);
    for (std::size_t& other : places) other -= other > place ? 1 : 0;
  }
}

void Transaction::keep_here(std::size_t forward) {
  const Forward gone = std::move(forwards[forward]);
  forwards.erase(forwards.begin() + static_cast<std::ptrdiff_t>(forward));
  const std::string key = key_of(gone.recipient.address);
  for (const Redirector& one : redirectors) {
    if (key_of(one.target) != key) continue;
    const auto same = std::ranges::find(local, one.account, &delivery::LocalRecipient::account);
    const auto place = static_cast<std::size_t>(same - local.begin());
    if (same == local.end()) {
      local.push_back({.account = one.account});
      local_addresses.push_back(one.address);
      local_lists.emplace_back();
    }
    if (one.accepted >= accepted.size()) continue;
    auto& places = accepted[one.accepted];
    if (std::ranges::find(places, place) == places.end()) places.push_back(place);
    if (gone.recipient.notify.success)
      wishes.push_back({.address = one.address, .original_recipient = gone.recipient.original_recipient, .expanded = false, .accepted = one.accepted});
  }
}

std::vector<std::string> Transaction::own_addresses(std::size_t place) const {
  std::vector<std::string> own;
  const std::string known_as = key_of(local_addresses[place]);
  for (std::size_t i = 0; i < accepted.size() && i < given.size(); ++i) {
    const bool is_alone = accepted[i] == std::vector<std::size_t>{place};
    // What a person forwards is his own doing; an address that leads to several people is nobody's own.
    const auto is_forward = [&](const Way& way) { return key_of(way.via) == known_as; };
    if (is_alone && (i >= elsewhere.size() || std::ranges::all_of(elsewhere[i], is_forward))) own.push_back(given[i].address);
  }
  own.push_back(local_addresses[place]);
  return own;
}

void Transaction::roll_back(const Mark& mark) {
  given.resize(std::min(given.size(), mark.accepted));
  elsewhere.resize(std::min(elsewhere.size(), mark.accepted));
  local.resize(mark.local);
  local_addresses.resize(mark.local);
  local_lists.resize(mark.local);
  forwards.resize(mark.forwards);
  redirectors.resize(mark.redirectors);
  lists.resize(mark.lists);
  addresses_here = mark.addresses_here;
  wishes.resize(mark.wishes);
  remote.resize(mark.remote);
  accepted.resize(mark.accepted);
}

bool Transaction::goes_to(std::string_view address) const {
  const std::string key = key_of(address);
  return std::ranges::any_of(remote, [&](const auto& other) { return key_of(other.address) == key; }) ||
         std::ranges::any_of(forwards, [&](const auto& other) { return key_of(other.recipient.address) == key; });
}

void Transaction::note(WallTime when, std::string what, std::string recipient, std::string text, std::string host) {
  if (journey.size() >= journey_steps_max) return;
  journey.push_back({.when = when, .what = std::move(what), .recipient = std::move(recipient), .host = std::move(host), .text = std::move(text)});
}

void Transaction::describe(policy::Facts& facts) const noexcept {
  facts.sender = sender_address;
  facts.recipients = judged;
  facts.octets = octets != 0 ? octets : parameters.size.value_or(0);
  facts.smtputf8 = parameters.smtputf8;
  facts.header = header_text();
}

std::string_view Transaction::header_text() const noexcept {
  if (draft) return draft->header();
  return header ? std::string_view(header->header()) : std::string_view();
}

HeaderFindings inspect_header(std::string_view header) {
  HeaderFindings findings;
  std::uint32_t tls_fields = 0;
  mime::HeaderReader reader(header);
  while (const auto field = reader.next()) {
    switch (field->id) {
      case mime::FieldName::received: ++findings.received; break;
      case mime::FieldName::date: findings.has_date = true; break;
      case mime::FieldName::message_id:
        findings.has_message_id = true;
        if (findings.message_id.empty()) findings.message_id = mime::unfold(field->value);
        break;
      case mime::FieldName::delivered_to:
        if (findings.delivered_to.size() < delivered_to_max) findings.delivered_to.push_back(key_of(mime::unfold(field->value)));
        break;
      case mime::FieldName::other:
        if (iequals(field->name, "Auto-Submitted")) {
          const std::string value = mime::unfold(field->value);
          const std::string_view word = std::string_view(value).substr(0, value.find_first_of("; \t("));
          if (!iequals(word, "no")) ++findings.automatic;
          findings.is_automatic_reply = findings.is_automatic_reply || iequals(word, "auto-replied");
        } else if (iequals(field->name, "TLS-Required")) {
          findings.tls_optional = ++tls_fields == 1 && iequals(trim(mime::unfold(field->value)), "No");
        }
        break;
      default: break;
    }
  }
  return findings;
}

}  // namespace keystonemail::reception
