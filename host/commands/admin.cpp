// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <cstdio>
#include <functional>
#include <utility>

#include "base/format.hpp"
#include "commands/commands.hpp"
#include "keystonemail/backends/libuv/uv_loop.hpp"
#include "keystonemail/base/text.hpp"
#include "server/stderr_log.hpp"
#include "server/stores.hpp"

namespace keystonemail::host {

namespace {

constexpr std::size_t queue_page = 1'000;

AdminReply failed(const Error& error) {
  AdminReply reply;
  reply.status = 1;
  reply.error = error.text().empty() ? error.describe() : error.text();
  return reply;
}

AdminReply done(std::string text) { return {.status = 0, .text = std::move(text), .json = "{\"ok\":true}\n", .error = {}}; }

AdminReply finished(const Result<void>& result, std::string text) { return result ? done(std::move(text)) : failed(result.error()); }

// One object a line in `text` and `json`.
struct Listing {
  std::string text, json = "[";
  void add(std::string line, std::string object) {
    text += line + "\n";
    json += (json.size() > 1 ? "," : "") + object;
  }
  AdminReply reply() && { return {.status = 0, .text = std::move(text), .json = json + "]\n", .error = {}}; }
};

std::string json_list(const std::vector<std::string>& all) {
  std::string out = "[";
  for (const std::string& one : all) out += (out.size() > 1 ? "," : "") + json_text(one);
  return out + "]";
}

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
  auto added = co_await stores.server->accounts().add_account(std::move(account), context);
  if (!added) co_return failed(added.error());
  co_return done("added " + added->login + "\n");
}

Task<AdminReply> account_list(Stores& stores, AdminRequest, Context context) {
  auto all = co_await stores.server->accounts().accounts(context);
  if (!all) co_return failed(all.error());
  Listing list;
  for (const directory::Account& account : *all)
    list.add(account.login + (account.enabled ? "" : " (disabled)"),
             format("{{\"login\":{},\"name\":{},\"enabled\":{},\"quota_octets\":{}}}", json_text(account.login),
                    json_text(account.display_name), account.enabled, account.quota_octets));
  co_return std::move(list).reply();
}

Task<AdminReply> account_remove(Stores& stores, AdminRequest request, Context context) {
  auto result = co_await stores.server->accounts().remove_account(request.arguments.at(0), context);
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
  crypto::SecretString password(request.password);
  auto result = co_await stores.server->accounts().set_password(request.arguments.at(0), std::move(password),
                                                       accounts::Accounts::ScramForPassword::no, context);
  co_return finished(result, "changed the password of " + request.arguments[0] + "\n");
}

Task<AdminReply> account_app_password(Stores& stores, AdminRequest request, Context context) {
  accounts::AppPassword wanted;
  wanted.name = request.name.empty() ? "device" : request.name;
  auto made = co_await stores.server->accounts().add_app_password(request.arguments.at(0), std::move(wanted), context);
  if (!made) co_return failed(made.error());
  const std::string text(made->view());
  co_return AdminReply{.status = 0, .text = text + "\n", .json = format("{{\"ok\":true,\"app_password\":{}}}\n", json_text(text)), .error = {}};
}

Task<AdminReply> domain_add(Stores& stores, AdminRequest request, Context context) {
  auto result = co_await stores.server->accounts().add_domain(request.arguments.at(0), context);
  co_return finished(result, "added " + request.arguments[0] + "\n");
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

Task<AdminReply> alias_add(Stores& stores, AdminRequest request, Context context) {
  accounts::Alias alias;
  alias.address = request.arguments.at(0);
  alias.kind = alias.address.starts_with('@') ? accounts::AliasKind::catch_all : accounts::AliasKind::alias;
  alias.targets.assign(request.arguments.begin() + 1, request.arguments.end());
  auto result = co_await stores.server->accounts().set_alias(std::move(alias), context);
  co_return finished(result, "set " + request.arguments[0] + "\n");
}

Task<AdminReply> alias_remove(Stores& stores, AdminRequest request, Context context) {
  auto result = co_await stores.server->accounts().remove_alias(request.arguments.at(0), context);
  co_return finished(result, "removed " + request.arguments[0] + "\n");
}

Task<AdminReply> alias_list(Stores& stores, AdminRequest, Context context) {
  auto all = co_await stores.server->accounts().aliases(context);
  if (!all) co_return failed(all.error());
  Listing list;
  for (const accounts::Alias& alias : *all)
    list.add(alias.address + " -> " + joined(alias.targets),
             format("{{\"address\":{},\"targets\":{}}}", json_text(alias.address), json_list(alias.targets)));
  co_return std::move(list).reply();
}

void add_entry(Listing& list, const queue::Entry& entry) {
  std::vector<std::string> recipients;
  for (const queue::Recipient& recipient : entry.recipients) recipients.push_back(recipient.address);
  const auto id = static_cast<std::uint64_t>(entry.id);
  list.add(format("{} <{}> -> {} ({} octets{})", id, entry.envelope.sender, joined(recipients), entry.octets, entry.held ? ", held" : ""),
           format("{{\"id\":{},\"sender\":{},\"recipients\":{},\"message_id\":{},\"octets\":{},\"held\":{}}}", id,
                  json_text(entry.envelope.sender), json_list(recipients), json_text(entry.message_id), entry.octets, entry.held));
}

Task<AdminReply> queue_list(Stores& stores, AdminRequest, Context context) {
  Listing list;
  for (queue::EntryId after{};;) {
    auto page = co_await stores.server->queue().list(after, queue_page, context);
    if (!page) co_return failed(page.error());
    for (const queue::Entry& entry : *page) add_entry(list, entry);
    if (page->size() < queue_page) co_return std::move(list).reply();
    after = page->back().id;
  }
}

Task<AdminReply> queue_show(Stores& stores, AdminRequest request, Context context) {
  const auto id = parse_decimal(request.arguments.at(0));
  if (!id) co_return AdminReply{.status = 2, .text = {}, .json = {}, .error = "an entry's id is a number"};
  auto entry = co_await stores.server->queue().show(queue::EntryId{*id}, context);
  if (!entry) co_return failed(entry.error());
  Listing list;
  add_entry(list, *entry);
  for (const queue::Recipient& recipient : entry->recipients)
    list.text += format("  {}: {} attempts, {}\n", recipient.address, recipient.attempts, recipient.last_reply);
  co_return std::move(list).reply();
}

struct Command {
  std::string_view noun, verb;
  Task<AdminReply> (*run)(Stores&, AdminRequest, Context);
};

constexpr Command commands[] = {
    {"account", "add", account_add},         {"account", "list", account_list},         {"account", "remove", account_remove},
    {"account", "disable", account_disable}, {"account", "enable", account_enable},     {"account", "password", account_password},
    {"account", "app-password", account_app_password}, {"domain", "add", domain_add},   {"domain", "list", domain_list},
    {"domain", "remove", domain_remove},     {"alias", "add", alias_add},               {"alias", "list", alias_list},
    {"alias", "remove", alias_remove},       {"queue", "list", queue_list},             {"queue", "show", queue_show}};

Task<AdminReply> open_and_administer(const Config& config, Log& log, AdminRequest request, Context context) {
  auto stores = co_await Stores::open(config, log, nullptr, context);
  if (!stores) co_return failed(stores.error());
  co_return co_await administer(**stores, std::move(request), context);
}

}  // namespace

Task<AdminReply> administer(Stores& stores, AdminRequest request, Context context) {
  for (const Command& command : commands)
    if (command.noun == request.noun && command.verb == request.verb)
      return command.run(stores, std::move(request), std::move(context));
  return []() -> Task<AdminReply> { co_return AdminReply{.status = 2, .text = {}, .json = {}, .error = "no such command"}; }();
}

int run_admin(const std::string& path, AdminRequest request, Output output) {
  auto reading = read_config_file(path);
  if (!reading) return report_error(output, reading.error().text());
  if (!reading->errors.empty()) return report_error(output, describe(reading->errors, path));
  StderrLog log(reading->config.log_format, LogLevel::warning);
  libuv::UvLoop loop;
  const AdminReply reply = loop.run_until(open_and_administer(reading->config, log, std::move(request), Context{&loop}));
  if (!reply.error.empty()) return report_error(output, reply.error, reply.status);
  std::fputs(output == Output::json ? reply.json.c_str() : reply.text.c_str(), stdout);
  return reply.status;
}

}  // namespace keystonemail::host
