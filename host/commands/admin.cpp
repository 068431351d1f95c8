// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <algorithm>
#include <cstdio>
#include <map>
#include <utility>
#include <variant>

#include "base/format.hpp"
#include "commands/commands.hpp"
#include "commands/quota.hpp"
#include "control/control.hpp"
#include "keystonemail/backends/libuv/uv_loop.hpp"
#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/idna.hpp"
#include "keystonemail/crypto/password.hpp"
#include "keystonemail/mime/address.hpp"
#include "keystonemail/mime/date.hpp"
#include "keystonemail/service/relay/route.hpp"
#include "operations/offline.hpp"
#include "operations/progress.hpp"
#include "server/stderr_log.hpp"
#include "server/stores.hpp"

namespace keystonemail::host {

namespace {

constexpr std::size_t queue_page = 1'000;
constexpr std::size_t trace_octets = 1'000;  // of a message: its first trace field

AdminReply wrong_usage(std::string error) {
  AdminReply reply;
  reply.status = 2;
  reply.error = std::move(error);
  return reply;
}

AdminReply done(std::string text) { return {.status = 0, .text = std::move(text), .json = "{\"ok\":true}\n", .error = {}, .warning = {}}; }

constexpr std::string_view scram_costs =
    "SCRAM clients can use this password now. Whoever steals the store can guess it far faster than from its hash alone, so it had better "
    "be long; and strangers can find out that the account is there";

bool has_option(const AdminRequest& request, std::string_view option) {
  return std::ranges::find(request.options, option) != request.options.end();
}

accounts::ScramForPassword scram_of(const AdminRequest& request) {
  return has_option(request, "scram") ? accounts::ScramForPassword::yes : accounts::ScramForPassword::no;
}

// An administrator may set any password, and is told what is wrong with it.
std::string warning_of(const AdminRequest& request) {
  std::string out;
  if (request.password.empty()) return out;
  for (const std::string& why : crypto::password_weaknesses(request.password, request.arguments.at(0)))
    out += (out.empty() ? "this password is weak: " : " ") + why;
  if (has_option(request, "scram")) out.append(out.empty() ? "" : " ").append(scram_costs);
  return out;
}

AdminReply with_warning(AdminReply reply, std::string warning) {
  if (reply.status == 0) reply.warning = std::move(warning);
  return reply;
}

AdminReply finished(const Result<void>& result, std::string text) { return result ? done(std::move(text)) : failed(result.error()); }

// One object a line in `text` and `json`.
struct Listing {
  std::string text, json = "[";
  void add(std::string line, std::string object) {
    text += line + "\n";
    json += (json.size() > 1 ? "," : "") + object;
  }
  AdminReply reply() && { return {.status = 0, .text = std::move(text), .json = json + "]\n", .error = {}, .warning = {}}; }
};

std::string joined(const std::vector<std::string>& all) {
  std::string out;
  for (const std::string& one : all) out += (out.empty() ? "" : ", ") + one;
  return out;
}

Task<AdminReply> account_add(Stores& stores, AdminRequest request, Context context) {
  accounts::NewAccount account;
  account.login = request.arguments.at(0);
  account.display_name = request.name;
  if (!request.password.empty()) account.password = crypto::SecretString(request.password);
  account.scram = scram_of(request);
  account.password_hash = request.password_hash;
  auto added = co_await stores.server->accounts().add_account(std::move(account), context);
  if (!added) co_return failed(added.error());
  std::string text = "added " + added->login + "\n";
  if (request.password.empty() && request.password_hash.empty()) text += "it takes mail, but nobody can log in yet: keystone-mail account password " + added->login + " --password-stdin\n";
  co_return with_warning(done(std::move(text)), warning_of(request));
}

Task<AdminReply> account_list(Stores& stores, AdminRequest, Context context) {
  auto all = co_await stores.server->accounts().standings(context);
  if (!all) co_return failed(all.error());
  Listing list;
  for (const auto& [account, quota, has_scram, hash_kind] : *all) {
    const bool has_quota = quota.octets_limit > 0 || quota.messages_limit > 0;
    list.add(account.login + (account.enabled ? "" : " (disabled)") + (has_quota ? ", " + describe_quota(quota) : ""),
             format("{{\"login\":{},\"name\":{},\"enabled\":{},\"quota_octets\":{},\"quota_messages\":{},\"octets_used\":{},\"messages_used\":{},\"scram\":{},\"password\":{}}}",
                    json_text(account.login), json_text(account.display_name), account.enabled, quota.octets_limit, quota.messages_limit,
                    quota.octets_used, quota.messages_used, has_scram,
                    hash_kind.empty() ? "null" : json_text(hash_kind)));
  }
  co_return std::move(list).reply();
}

Task<AdminReply> account_remove(Stores& stores, AdminRequest request, Context context) {
  const auto account = co_await stores.server->accounts().find_account(request.arguments.at(0), context);
  auto result = co_await stores.server->accounts().remove_account(request.arguments.at(0), context);
  if (result && account && stores.sending) {  // who gets the name next begins anew
    (void)co_await stores.sending->set_ceilings(account->login, std::nullopt, context);
    (void)co_await stores.sending->release(account->login, context);
  }
  co_return finished(result, "removed " + request.arguments[0] + "\n");
}

Task<AdminReply> account_disable(Stores& stores, AdminRequest request, Context context) {
  auto result = co_await stores.server->accounts().set_enabled(request.arguments.at(0), false, context);
  co_return finished(result, "disabled " + request.arguments[0] + "\n");
}

Task<AdminReply> account_enable(Stores& stores, AdminRequest request, Context context) {
  auto result = co_await stores.server->accounts().set_enabled(request.arguments.at(0), true, context);
  co_return finished(result, "enabled " + request.arguments[0] + "\n");
}

Task<AdminReply> account_password(Stores& stores, AdminRequest request, Context context) {
  if (!request.password_hash.empty()) {
    const auto set = co_await stores.server->accounts().set_password_hash(request.arguments.at(0), request.password_hash, context);
    co_return finished(set, "set the password hash of " + request.arguments[0] + ": the next login replaces it\n");
  }
  crypto::SecretString password(request.password);
  auto result = co_await stores.server->accounts().set_password(request.arguments.at(0), std::move(password), scram_of(request), context);
  co_return with_warning(finished(result, "changed the password of " + request.arguments[0] + "\n"), warning_of(request));
}

// Without addresses, and not told to stop: says where it goes now.
Task<AdminReply> account_forward(Stores& stores, AdminRequest request, Context context) {
  auto& accounts = stores.server->accounts();
  const std::string login = request.arguments.at(0);
  accounts::Forwarding wanted;
  wanted.targets.assign(request.arguments.begin() + 1, request.arguments.end());
  wanted.keeps_copy = request.name != "only";
  const bool ends = request.name == "off";
  if (ends && !wanted.targets.empty()) co_return wrong_usage("say either where it goes or --off");
  if (!wanted.targets.empty() || ends) {
    const auto result = co_await accounts.set_forwarding(login, std::move(wanted), context);
    if (!result) co_return failed(result.error());
  }
  const auto now = co_await accounts.forwarding(login, context);
  if (!now) co_return failed(now.error());
  AdminReply reply = done(now->targets.empty() ? login + " is not forwarded\n"
                                               : format("{} -> {}{}\n", login, joined(now->targets), now->keeps_copy ? ", and keeps a copy" : ""));
  reply.json = format("{{\"login\":{},\"targets\":{},\"keeps_copy\":{}}}\n", json_text(login), json_list(now->targets), now->keeps_copy);
  co_return reply;
}

Task<AdminReply> app_password_add(Stores& stores, AdminRequest request, Context context) {
  accounts::AppPassword wanted;
  wanted.name = request.name;
  auto made = co_await stores.server->accounts().add_app_password(request.arguments.at(0), std::move(wanted), context);
  if (!made) co_return failed(made.error());
  const std::string text(made->view());
  AdminReply reply = done(text + "\n");
  reply.json = format("{{\"ok\":true,\"app_password\":{}}}\n", json_text(text));
  co_return reply;
}

Task<AdminReply> app_password_list(Stores& stores, AdminRequest request, Context context) {
  auto all = co_await stores.server->accounts().app_passwords(request.arguments.at(0), context);
  if (!all) co_return failed(all.error());
  Listing list;
  for (const accounts::AppPassword& one : *all) {
    const std::string created = mime::format_date({one.created, {}});
    list.add(format("{} (made {})", one.name, created),
             format("{{\"name\":{},\"created\":{}}}", json_text(one.name), json_text(created)));
  }
  co_return std::move(list).reply();
}

Task<AdminReply> app_password_remove(Stores& stores, AdminRequest request, Context context) {
  auto result = co_await stores.server->accounts().remove_app_password(request.arguments.at(0), request.name, context);
  co_return finished(result, format("removed {} of {}\n", request.name, request.arguments[0]));
}

Task<AdminReply> domain_add(Stores& stores, AdminRequest request, Context context) {
  auto result = co_await stores.server->accounts().add_domain(request.arguments.at(0), context);
  AdminReply reply = finished(result, "added " + request.arguments[0] + "\n");
  if (!result || !stores.dkim) co_return reply;
  const auto keys = stores.dkim->generate(request.arguments[0], context.executor->wall_now());
  if (keys) reply.text += "Its mail will be signed: publish what \"keystone-mail dns " + request.arguments[0] + "\" prints.\n";
  else if (keys.error().kind() != ErrorKind::conflict) reply.warning = "no DKIM keys were made: " + keys.error().text();
  co_return reply;
}

Task<AdminReply> domain_remove(Stores& stores, AdminRequest request, Context context) {
  auto result = co_await stores.server->accounts().remove_domain(request.arguments.at(0), context);
  co_return finished(result, "removed " + request.arguments[0] + "\n");
}

Task<AdminReply> domain_list(Stores& stores, AdminRequest, Context context) {
  auto all = co_await stores.server->accounts().domains(context);
  if (!all) co_return failed(all.error());
  Listing list;
  for (const std::string& domain : *all) list.add(domain, json_text(domain));
  co_return std::move(list).reply();
}

// "a -> b -> a" when following aliases from `from` comes back to it; else empty.
std::string circle(const std::vector<accounts::Alias>& all, const std::string& from) {
  const auto key_of = [](std::string_view address) {
    const auto parsed = mime::Address::parse(address);
    return parsed ? parsed->key() : to_lower(address);
  };
  std::map<std::string, const accounts::Alias*> known;
  for (const accounts::Alias& alias : all) known.emplace(key_of(alias.address), &alias);
  const std::string goal = key_of(from);
  std::map<std::string, std::string> came_from;  // by key; what leads there, as written
  std::vector<std::string> open{from};
  while (!open.empty()) {
    const std::string at = std::move(open.back());
    open.pop_back();
    const auto alias = known.find(key_of(at));
    if (alias == known.end()) continue;
    for (const std::string& target : alias->second->targets) {
      const std::string key = key_of(target);
      if (key == goal) {
        std::string way = at + " -> " + from;
        for (std::string step = key_of(at); step != goal; step = key_of(came_from[step])) way = came_from[step] + " -> " + way;
        return way;
      }
      if (came_from.emplace(key, at).second) open.push_back(target);
    }
  }
  return {};
}

// Aliases may be set in any order, so what leads nowhere yet is taken, and told.
Task<std::string> warning_of_alias(Stores& stores, std::string address, std::vector<std::string> targets, Context context) {
  auto& accounts = stores.server->accounts();
  std::string out;
  const auto add = [&out](std::string text) { out += (out.empty() ? "" : "; ") + text; };
  const auto all = co_await accounts.aliases(context);
  const std::string way = all ? circle(*all, address) : std::string();
  if (!way.empty()) add(way + " is a circle, and leads nowhere");
  for (const std::string& target : targets) {
    const std::string full = target.find('@') == std::string::npos ? target + "@" + stores.config.primary_domain : target;
    const auto found = co_await accounts.resolve(full, context);
    if (!found) continue;
    const bool is_alias = all && std::ranges::any_of(*all, [&](const accounts::Alias& alias) { return iequals(alias.address, full); });
    const bool is_disabled = std::holds_alternative<directory::DisabledRecipient>(*found);  // or leads to such accounts alone, or nowhere
    if (std::holds_alternative<directory::UnknownRecipient>(*found)) add("there is no " + full + " here: mail for it will be refused");
    else if (is_disabled && !is_alias) add(full + " is disabled");
    else if (is_disabled && way.empty()) add(full + " leads nowhere itself");
  }
  co_return out;
}

Task<AdminReply> alias_add(Stores& stores, AdminRequest request, Context context) {
  accounts::Alias alias;
  alias.address = request.arguments.at(0);
  alias.kind = alias.address.starts_with('@') ? accounts::AliasKind::catch_all : accounts::AliasKind::alias;
  if (request.verb == "add-list") {
    alias.kind = accounts::AliasKind::list;
    alias.owner = request.name;
  }
  alias.targets.assign(request.arguments.begin() + 1, request.arguments.end());
  std::vector<std::string> targets = alias.targets;
  std::string address = alias.address.find('@') == std::string::npos ? alias.address + "@" + stores.config.primary_domain : alias.address;
  auto result = co_await stores.server->accounts().set_alias(std::move(alias), context);
  AdminReply reply = finished(result, "set " + request.arguments[0] + "\n");
  if (result) reply.warning = co_await warning_of_alias(stores, std::move(address), std::move(targets), context);
  co_return reply;
}

Task<AdminReply> alias_remove(Stores& stores, AdminRequest request, Context context) {
  auto result = co_await stores.server->accounts().remove_alias(request.arguments.at(0), context);
  co_return finished(result, "removed " + request.arguments[0] + "\n");
}

Task<AdminReply> alias_list(Stores& stores, AdminRequest, Context context) {
  auto all = co_await stores.server->accounts().aliases(context);
  if (!all) co_return failed(all.error());
  Listing list;
  for (const accounts::Alias& alias : *all) {
    const bool is_list = alias.kind == accounts::AliasKind::list;
    const std::string owner = !is_list ? "" : alias.owner.empty() ? " (list of postmaster)" : " (list of " + alias.owner + ")";
    list.add(alias.address + " -> " + joined(alias.targets) + owner,
             format("{{\"address\":{},\"targets\":{},\"list\":{},\"owner\":{}}}", json_text(alias.address), json_list(alias.targets), is_list,
                    json_text(alias.owner)));
  }
  co_return std::move(list).reply();
}

std::string mail_date(WallTime time) { return mime::format_date({time, {}}); }

std::string_view name_of(queue::RecipientState state) {
  switch (state) {
    case queue::RecipientState::pending: return "waits";
    case queue::RecipientState::delivered: return "delivered";
    case queue::RecipientState::failed: return "failed";
  }
  return {};
}

// The extensions that the next server must have.
std::vector<std::string> needs_of(const queue::Envelope& envelope) {
  std::vector<std::string> needs;
  for (const auto& [is_needed, name] : {std::pair(envelope.smtputf8, "SMTPUTF8"), std::pair(envelope.eight_bit, "8BITMIME"),
                                        std::pair(envelope.binary, "BINARYMIME"), std::pair(envelope.require_tls, "REQUIRETLS")})
    if (is_needed) needs.emplace_back(name);
  return needs;
}

std::string json_of(const queue::Recipient& recipient) {
  return format("{{\"address\":{},\"state\":{},\"attempts\":{},\"next_attempt\":{},\"host\":{},\"reply\":{},\"original_recipient\":{}}}",
                json_text(recipient.address), json_text(name_of(recipient.state)), recipient.attempts,
                recipient.state == queue::RecipientState::pending ? json_text(mail_date(recipient.next_attempt)) : "null", json_text(recipient.last_host),
                json_text(recipient.last_reply), json_text(recipient.original_recipient));
}

std::string json_of(const queue::Entry& entry, std::string_view session) {
  const queue::Envelope& envelope = entry.envelope;
  std::string recipients;
  for (const queue::Recipient& recipient : entry.recipients) recipients += (recipients.empty() ? "" : ",") + json_of(recipient);
  const auto date_or_null = [](WallTime time) { return time == WallTime{} ? std::string("null") : json_text(mail_date(time)); };
  const std::string_view returned = envelope.dsn_return == queue::DsnReturn::full ? "message" : envelope.dsn_return == queue::DsnReturn::headers ? "header" : "";
  return format("{{\"id\":{},\"sender\":{},\"recipients\":[{}],\"message_id\":{},\"octets\":{},\"held\":{},\"session\":{},\"login\":{},\"arrived\":{},\"expires\":{}",
                static_cast<std::uint64_t>(entry.id), json_text(envelope.sender), recipients, json_text(entry.message_id), entry.octets, entry.held,
                json_text(session), json_text(entry.login), json_text(mail_date(entry.arrived)), json_text(mail_date(entry.expires))) +
         format(",\"envelope_id\":{},\"returned\":{},\"needs\":{},\"held_until\":{},\"deliver_by\":{},\"priority\":{},\"moved_to\":{}}}",
                json_text(envelope.envelope_id), json_text(returned), json_list(needs_of(envelope)), date_or_null(envelope.released),
                date_or_null(envelope.deliver_by ? envelope.deliver_by->when : WallTime{}), envelope.priority, json_text(entry.route));
}

void add_entry(Listing& list, const queue::Entry& entry, std::string_view session) {
  std::vector<std::string> recipients;
  for (const queue::Recipient& recipient : entry.recipients) recipients.push_back(recipient.address);
  list.add(format("{} <{}> -> {} ({} octets{})", static_cast<std::uint64_t>(entry.id), entry.envelope.sender, joined(recipients), entry.octets, entry.held ? ", held" : ""),
           json_of(entry, session));
}

Task<AdminReply> queue_list(Stores& stores, AdminRequest, Context context) {
  Listing list;
  for (queue::EntryId after{};;) {
    auto page = co_await stores.server->queue().list(after, queue_page, context);
    if (!page) co_return failed(page.error());
    for (const queue::Entry& entry : *page) add_entry(list, entry, entry.session);
    if (page->size() < queue_page) co_return std::move(list).reply();
    after = page->back().id;
  }
}

// The session that brought the message, as its Received field on top has it (RFC 5321 §4.4: "id"): the one to look for in
// the log. Empty when there is none.
Task<std::string> session_of(Stores& stores, queue::EntryId id, Context context) {
  auto message = co_await stores.server->queue().open(id, context);
  if (!message) co_return std::string();
  const auto head = co_await (*message)->read(0, trace_octets, context);
  if (!head || !istarts_with(*head, "Received:")) co_return std::string();
  const auto at = head->find(" id ");
  if (at == std::string_view::npos) co_return std::string();
  const auto rest = head->substr(at + 4);
  co_return std::string(rest.substr(0, rest.find_first_of(" ;\r\n")));
}

// What has become of a recipient so far.
std::string describe(const queue::Recipient& recipient) {
  std::string out = format("{}, {} attempts", name_of(recipient.state), recipient.attempts);
  if (recipient.state == queue::RecipientState::pending && recipient.attempts > 0)
    out += format(", the next at {}", mail_date(recipient.next_attempt));
  if (!recipient.last_host.empty()) out += format(", {} said", recipient.last_host);
  return recipient.last_reply.empty() ? out : out + ": " + recipient.last_reply;
}

// All that is kept of an entry beside its recipients, a line each.
std::string details_of(const queue::Entry& entry, std::string_view session) {
  std::string out;
  const auto add = [&out](std::string_view name, std::string_view value) {
    if (!value.empty()) format_to(out, "  {}: {}\n", name, value);
  };
  const queue::Envelope& envelope = entry.envelope;
  add("message id", entry.message_id);
  add("session", session);
  add("login", entry.login);
  add("arrived", mail_date(entry.arrived));
  add("expires", mail_date(entry.expires));
  add("envelope id", envelope.envelope_id);
  if (envelope.dsn_return != queue::DsnReturn::unspecified) add("returned on failure", envelope.dsn_return == queue::DsnReturn::full ? "the message" : "its header");
  add("needs", joined(needs_of(envelope)));
  if (envelope.released != WallTime{}) add("held back until", mail_date(envelope.released));
  if (envelope.deliver_by) add("to be delivered by", mail_date(envelope.deliver_by->when));
  if (envelope.priority != 0) add("priority", std::to_string(envelope.priority));
  add("moved to", entry.route);
  return out;
}

Task<AdminReply> queue_move(Stores& stores, AdminRequest request, Context context) {
  const auto id = parse_decimal(request.arguments.at(0));
  if (!id) co_return wrong_usage("an entry's id is a number");
  std::string to = request.arguments.at(1) == "mx" ? std::string() : request.arguments[1];
  if (to.find(':') != std::string::npos || IpAddress::parse(to)) {
    const auto route = relay::Route::parse(to);
    if (!route) co_return wrong_usage("neither a host and port nor a domain: " + to);
    to = route->to_string();
  } else if (!to.empty()) {
    const auto domain = codec::to_ascii_domain(to);
    if (!domain) co_return wrong_usage("neither a host and port nor a domain: " + to);
    to = *domain;
  }
  auto result = co_await stores.server->queue().move(queue::EntryId{*id}, to, context);
  co_return finished(result, format("moved {} to {}\n", *id, to.empty() ? "where its recipients are" : to));
}

void add_steps(Listing& list, queue::EntryId id, const std::vector<queue::TraceStep>& steps) {
  std::size_t what_width = 0, recipient_width = 0;
  for (const queue::TraceStep& step : steps) {
    what_width = std::max(what_width, step.what.size());
    recipient_width = std::max(recipient_width, step.recipient.size());
  }
  list.text += format("queue entry {}\n", static_cast<std::uint64_t>(id));
  for (const queue::TraceStep& step : steps) {
    std::string words = step.host.empty() ? step.text : step.host + ": " + step.text;
    if (!step.security.empty()) words += " [" + step.security + "]";
    std::ranges::replace_if(words, [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
    const std::string when = mime::format_date({step.when, {}});
    list.add(format("  {}  {:<{}}  {:<{}}  {}", when, step.what, what_width, step.recipient, recipient_width, words),
             format("{{\"entry\":{},\"when\":{},\"what\":{},\"recipient\":{},\"host\":{},\"text\":{},\"attempts\":{},\"security\":{}}}", static_cast<std::uint64_t>(id),
                    json_text(when), json_text(step.what), json_text(step.recipient), json_text(step.host), json_text(step.text), step.attempts, json_text(step.security)));
  }
}

// By a queue entry's number, or a Message-ID with or without its brackets.
Task<AdminReply> message_trace(Stores& stores, AdminRequest request, Context context) {
  service::KvQueue& queue = stores.server->queue();
  std::vector<queue::EntryId> ids;
  if (const auto id = parse_decimal(request.arguments.at(0))) {
    ids.push_back(queue::EntryId{*id});
  } else {
    std::string message_id = request.arguments[0];
    if (!message_id.starts_with('<')) message_id = "<" + message_id + ">";
    auto found = co_await queue.find(message_id, context);
    if (!found) co_return failed(found.error());
    ids = *std::move(found);
  }
  Listing list;
  for (const queue::EntryId id : ids) {
    auto steps = co_await queue.trace(id, context);
    if (!steps) co_return failed(steps.error());
    if (!steps->empty()) add_steps(list, id, *steps);
  }
  if (list.text.empty()) co_return failed(Error(ErrorKind::not_found, "nothing is known of it: steps of messages are kept for 30 days, and not of all that were refused; the log has them"));
  co_return std::move(list).reply();
}

Task<AdminReply> queue_show(Stores& stores, AdminRequest request, Context context) {
  const auto id = parse_decimal(request.arguments.at(0));
  if (!id) co_return wrong_usage("an entry's id is a number");
  auto entry = co_await stores.server->queue().show(queue::EntryId{*id}, context);
  if (!entry) co_return failed(entry.error());
  Listing list;
  std::string session = entry->session;
  if (session.empty()) session = co_await session_of(stores, entry->id, context);  // of an earlier version: its trace field has it
  add_entry(list, *entry, session);
  list.text += details_of(*entry, session);
  for (const queue::Recipient& recipient : entry->recipients)
    list.text += format("  {}: {}\n", recipient.address, describe(recipient));
  co_return std::move(list).reply();
}

Task<AdminReply> handle_entry(Stores& stores, AdminRequest request, queue::Handling handling, std::string_view done_word, Context context) {
  const auto id = parse_decimal(request.arguments.at(0));
  if (!id) co_return wrong_usage("an entry's id is a number");
  auto result = co_await stores.server->queue().handle(queue::EntryId{*id}, handling, context);
  co_return finished(result, format("{} {}\n", done_word, *id));
}

Task<AdminReply> queue_retry(Stores& stores, AdminRequest request, Context context) {
  return handle_entry(stores, std::move(request), queue::Handling::retry, "to be tried now:", std::move(context));
}

Task<AdminReply> queue_hold(Stores& stores, AdminRequest request, Context context) {
  return handle_entry(stores, std::move(request), queue::Handling::hold, "held", std::move(context));
}

Task<AdminReply> queue_release(Stores& stores, AdminRequest request, Context context) {
  return handle_entry(stores, std::move(request), queue::Handling::release, "released", std::move(context));
}

Task<AdminReply> queue_cancel(Stores& stores, AdminRequest request, Context context) {
  const auto id = parse_decimal(request.arguments.at(0));
  if (!id) co_return wrong_usage("an entry's id is a number");
  auto result = co_await stores.server->queue().remove(queue::EntryId{*id}, context);
  co_return finished(result, format("cancelled {}\n", *id));
}

Task<AdminReply> server_reload(Stores& stores, AdminRequest, Context) {
  if (!stores.reload) co_return failed(Error(ErrorKind::unavailable, "no server is running"));
  const auto result = stores.reload();
  co_return finished(result, "reloaded\n");
}

Task<AdminReply> server_unban(Stores& stores, AdminRequest request, Context context) {
  const auto address = IpAddress::parse(request.arguments.at(0));
  if (!address) co_return wrong_usage("not an IP address: " + request.arguments[0]);
  const auto lifted = co_await stores.server->unban(*address, context);
  if (!lifted) co_return failed(lifted.error());
  AdminReply reply = done(!lifted->empty() ? format("lifted {} bans\n", lifted->size()) : "there was no ban\n");
  reply.json = format("{{\"ok\":true,\"lifted\":{}}}\n", lifted->size());
  co_return reply;
}

Task<AdminReply> server_bans(Stores& stores, AdminRequest, Context context) {
  Listing list;
  for (const auto& ban : stores.server->login_gate().bans(context.executor->wall_now())) {
    const std::string network = ban.network.to_string(), until = mime::format_date({ban.until, {}});
    list.add(format("{} until {}", network, until),
             format("{{\"network\":{},\"until\":{},\"times\":{}}}", json_text(network), json_text(until), ban.count));
  }
  co_return std::move(list).reply();
}

struct Command {
  std::string_view noun, verb;
  Task<AdminReply> (*run)(Stores&, AdminRequest, Context);
  std::size_t arguments_min;
  std::string_view needs = {};  // in words, where that is more than one
};

constexpr Command commands[] = {
    {"account", "add", account_add, 1},
    {"account", "list", account_list, 0},
    {"account", "remove", account_remove, 1},
    {"account", "disable", account_disable, 1},
    {"account", "enable", account_enable, 1},
    {"account", "password", account_password, 1},
    {"account", "quota", administer_quota, 1},
    {"account", "vacation", administer_vacation, 1},
    {"account", "limits", administer_sending, 1},
    {"app-password", "add", app_password_add, 1},
    {"app-password", "list", app_password_list, 1},
    {"app-password", "remove", app_password_remove, 1},
    {"domain", "add", domain_add, 1},
    {"domain", "list", domain_list, 0},
    {"domain", "remove", domain_remove, 1},
    {"account", "forward", account_forward, 1},
    {"alias", "add", alias_add, 2, "an address, and where it leads: alias add ADDRESS TARGET..."},
    {"alias", "add-list", alias_add, 2, "an address, and its members: alias add-list ADDRESS MEMBER..."},
    {"alias", "list", alias_list, 0},
    {"alias", "remove", alias_remove, 1},
    {"queue", "list", queue_list, 0},
    {"queue", "show", queue_show, 1},
    {"queue", "retry", queue_retry, 1},
    {"queue", "hold", queue_hold, 1},
    {"queue", "release", queue_release, 1},
    {"queue", "cancel", queue_cancel, 1},
    {"queue", "move", queue_move, 2, "an entry's id, and where it goes: queue move ID PLACE"},
    {"message", "trace", message_trace, 1},
    {"dkim", "generate", administer_dkim, 1},
    {"dkim", "list", administer_dkim, 0},
    {"dkim", "publish", administer_dkim, 1},
    {"dkim", "rotate", administer_dkim, 1},
    {"reports", "list", administer_reports, 0},
    {"reports", "show", administer_reports, 1},
    {"reports", "summary", administer_reports, 0},
    {"reports", "send", administer_reports, 0},
    {"backup", "make", make_backup, 1},
    {"verify", "look", verify_store, 0},
    {"verify", "repair", verify_store, 0},
    {"verify", "rebuild", verify_store, 0},
    {"server", "reload", server_reload, 0},
    {"server", "bans", server_bans, 0},
    {"server", "policies", show_policies, 0},
    {"server", "unban", server_unban, 1},
};

Task<AdminReply> open_and_administer(const Config& config, Log& log, AdminRequest request, Context context) {
  auto stores = co_await Stores::open(config, log, nullptr, context);
  if (!stores) co_return failed(stores.error());
  co_return co_await administer(**stores, std::move(request), context);
}

bool is_all_utf8(const AdminRequest& request) {
  const auto is_text = [](const std::string& one) { return is_utf8(one); };
  return is_utf8(request.password) && is_utf8(request.password_hash) && is_utf8(request.name) && std::ranges::all_of(request.arguments, is_text) &&
         std::ranges::all_of(request.options, is_text);
}

}  // namespace

Task<AdminReply> administer(Stores& stores, AdminRequest request, Context context) {
  const bool is_of_sending = request.noun == "account" && request.verb == "limits";
  const bool asks_for_accounts = !is_of_sending && request.noun != "queue" && request.noun != "message" && request.noun != "dkim" && request.noun != "reports" && request.noun != "server" && request.noun != "backup" && request.noun != "verify";
  if (stores.plugin && asks_for_accounts)
    co_return failed(Error(ErrorKind::conflict, "accounts, domains and aliases come from the plugin of [directory]: they are managed there"));
  for (const Command& command : commands) {
    if (command.noun != request.noun || command.verb != request.verb) continue;
    if (request.arguments.size() < command.arguments_min)
      co_return wrong_usage(format("{} {} needs {}", command.noun, command.verb, command.needs.empty() ? "an argument" : command.needs));
    co_return co_await command.run(stores, std::move(request), std::move(context));
  }
  co_return wrong_usage("no such command");
}

int run_admin(const std::string& path, AdminRequest request, Output output) {
  auto reading = read_config_file(path);
  if (!reading) return report_error(output, reading.error().text());
  if (!reading->errors.empty()) return report_error(output, describe(reading->errors, path));
  if (!is_all_utf8(request)) return report_error(output, "arguments, texts and passwords must be UTF-8", 2);
  StderrLog log(reading->config.log_format, LogLevel::warning);
  libuv::UvLoop loop;
  Progress progress;
  request.progress = &progress;
  AdminReply reply;
  if (auto server = control::connect(loop, reading->config.data_directory)) {
    auto answer = loop.run_until(control::ask(std::move(*server), std::move(request), progress, Context{&loop}));
    reply = answer ? std::move(*answer) : failed(answer.error());
  } else if (server.error().kind() == ErrorKind::denied) {
    reply = failed(server.error());
  } else {
    reply = loop.run_until(open_and_administer(reading->config, log, std::move(request), Context{&loop}));
    reply.status = report_given(reading->config, output, reply.status);
  }
  progress.end();
  if (!reply.warning.empty()) std::fprintf(stderr, "keystone-mail: warning: %s\n", reply.warning.c_str());
  if (!reply.error.empty()) return report_error(output, reply.error, reply.status);
  std::fputs(output == Output::json ? reply.json.c_str() : reply.text.c_str(), stdout);
  return reply.status;
}

}  // namespace keystonemail::host
