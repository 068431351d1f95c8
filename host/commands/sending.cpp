// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// How much an account may send, and what the policies have decided.
#include <array>
#include <utility>

#include "base/format.hpp"
#include "base/try.hpp"
#include "commands/commands.hpp"
#include "keystonemail/base/text.hpp"
#include "server/inbound.hpp"
#include "server/stores.hpp"

namespace keystonemail::host {

namespace {

using policies::SendingCeilings;
using policies::SendingLimits;

constexpr std::uint64_t ceiling_max = 1'000'000;

// The ceilings by name, each with what is counted against it.
struct Ceiling {
  std::string_view name;
  std::uint32_t SendingCeilings::*most;
  std::uint32_t SendingLimits::Standing::*used;
};
constexpr std::array ceilings{
    Ceiling{"recipients_per_minute", &SendingCeilings::recipients_per_minute, &SendingLimits::Standing::recipients_this_minute},
    Ceiling{"recipients_per_hour", &SendingCeilings::recipients_per_hour, &SendingLimits::Standing::recipients_this_hour},
    Ceiling{"recipients_per_day", &SendingCeilings::recipients_per_day, &SendingLimits::Standing::recipients_today},
    Ceiling{"new_recipients_per_day", &SendingCeilings::new_recipients_per_day, &SendingLimits::Standing::new_recipients_today},
    Ceiling{"messages_per_hour", &SendingCeilings::messages_per_hour, &SendingLimits::Standing::messages_this_hour},
    Ceiling{"messages_per_day", &SendingCeilings::messages_per_day, &SendingLimits::Standing::messages_today}};

AdminReply wrong_words(std::string error) {
  AdminReply reply;
  reply.status = 2;
  reply.error = std::move(error);
  return reply;
}

// "name=number".
std::optional<std::string> set_ceiling(std::string_view word, SendingCeilings& out) {
  const auto equals = word.find('=');
  for (const Ceiling& one : ceilings) {
    if (equals == std::string_view::npos || one.name != word.substr(0, equals)) continue;
    const auto number = parse_decimal(word.substr(equals + 1), ceiling_max);
    if (!number) return format("{} must be a number up to {}; 0 is any number", one.name, ceiling_max);
    out.*one.most = static_cast<std::uint32_t>(*number);
    return std::nullopt;
  }
  std::string names;
  for (const Ceiling& one : ceilings) names += format("{}{}=N", names.empty() ? "" : ", ", one.name);
  return format("\"{}\" is none of usual, release, {}", word, names);
}

std::string json_of(const SendingLimits::Standing& standing) {
  std::string out = format("{{\"login\":{},\"suspended\":{},\"own\":{}", json_text(standing.login), standing.suspended, standing.has_own_ceilings);
  for (const Ceiling& one : ceilings) out += format(",\"{}\":{{\"used\":{},\"limit\":{}}}", one.name, standing.*one.used, standing.ceilings.*one.most);
  return out + "}";
}

AdminReply describe(const SendingLimits::Standing& standing) {
  std::string text = standing.login + (standing.has_own_ceilings ? ", limits of its own" : ", the usual limits") + (standing.suspended ? ", SUSPENDED" : "") + "\n";
  for (const Ceiling& one : ceilings) {
    const std::uint32_t most = standing.ceilings.*one.most;
    text += format("  {:<22}  {} of {}\n", one.name, standing.*one.used, most == 0 ? std::string("any number") : format("{}", most));
  }
  return {.status = 0, .text = std::move(text), .json = json_of(standing) + "\n", .error = {}, .warning = {}};
}

}  // namespace

Task<AdminReply> administer_sending(Stores& stores, AdminRequest request, Context context) {
  if (!stores.sending) co_return failed(Error(ErrorKind::unavailable, "this store keeps no limits"));
  const auto account = co_await stores.server->directory().find_account(request.arguments.at(0), context);
  if (!account && account.error().kind() == ErrorKind::not_found) co_return failed(Error(ErrorKind::not_found, "no account " + request.arguments[0]));
  if (!account && account.error().kind() != ErrorKind::denied) co_return failed(account.error());
  const std::string login = account ? account->login : request.arguments[0];  // a disabled one has limits all the same
  const WallTime now = context.executor->wall_now();
  SendingCeilings wanted = stores.sending->standing(login, now).ceilings;
  bool changes = false, usual = false, release = false;
  for (std::size_t i = 1; i < request.arguments.size(); ++i) {
    const std::string& word = request.arguments[i];
    usual = usual || word == "usual";
    release = release || word == "release";
    if (word == "usual" || word == "release") continue;
    if (auto problem = set_ceiling(word, wanted)) co_return wrong_words(*std::move(problem));
    changes = true;
  }
  if (usual && changes) co_return wrong_words("either usual, or limits of its own");
  if (usual || changes) {
    const std::optional<SendingCeilings> chosen = changes ? std::optional(wanted) : std::nullopt;
    const auto set = co_await stores.sending->set_ceilings(login, chosen, context);
    if (!set) co_return failed(set.error());
  }
  if (release) {
    const auto released = co_await stores.sending->release(login, context);
    if (!released) co_return failed(released.error());
  }
  co_return describe(stores.sending->standing(login, now));
}

Task<AdminReply> show_policies(Stores& stores, AdminRequest, Context context) {
  if (!stores.inbound || !stores.sending) co_return failed(Error(ErrorKind::unavailable, "no server is running"));
  std::string text, decided, lists, accounts;
  for (const auto& row : stores.inbound->tally()->rows()) {
    text += format("{} {} {}\n", row.policy, policy::to_string(row.verdict), row.count);
    decided += format("{}{{\"policy\":{},\"verdict\":\"{}\",\"count\":{}}}", decided.empty() ? "" : ",", json_text(row.policy),
                      policy::to_string(row.verdict), row.count);
  }
  for (const auto& list : stores.inbound->lists()) {
    text += format("list {}: {}\n", list.zone, list.why_off.empty() ? "in use" : "off, since " + list.why_off);
    lists += format("{}{{\"zone\":{},\"off\":{}}}", lists.empty() ? "" : ",", json_text(list.zone), list.why_off.empty() ? "null" : json_text(list.why_off));
  }
  for (const auto& standing : stores.sending->notable(context.executor->wall_now())) {
    text += format("account {}:{}{}\n", standing.login, standing.has_own_ceilings ? " limits of its own" : "", standing.suspended ? " SUSPENDED" : "");
    accounts += (accounts.empty() ? "" : ",") + json_of(standing);
  }
  if (text.empty()) text = "No policy has decided anything yet, and no DNS lists are configured.\n";
  co_return AdminReply{.status = 0, .text = std::move(text), .json = format("{{\"decided\":[{}],\"lists\":[{}],\"accounts\":[{}]}}\n", decided, lists, accounts),
                       .error = {}, .warning = {}};
}

}  // namespace keystonemail::host
