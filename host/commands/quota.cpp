// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "commands/quota.hpp"

#include <algorithm>
#include <utility>

#include "base/format.hpp"
#include "commands/commands.hpp"
#include "keystonemail/base/text.hpp"
#include "operations/progress.hpp"
#include "server/stores.hpp"

namespace keystonemail::host {

namespace {

constexpr std::uint64_t quota_octets_max = std::uint64_t{1} << 60;
constexpr std::uint64_t quota_messages_max = 1'000'000'000;

AdminReply no_quota(std::string_view word) {
  AdminReply reply;
  reply.status = 2;
  reply.error = word.starts_with("messages=") ? format("--messages must be a number from 1 to {}, not \"{}\"", quota_messages_max, word.substr(9))
                                              : format("--octets must be a size such as 500M or 2G, not \"{}\"", word.substr(word.find('=') + 1));
  return reply;
}

// What one word asks for.
bool set_limit(std::string_view word, mailstore::Quota& quota) {
  if (word == "none") {
    quota.octets_limit = quota.messages_limit = 0;
    return true;
  }
  const bool is_octets = word.starts_with("octets=");
  if (!is_octets && !word.starts_with("messages=")) return false;
  const auto value = is_octets ? parse_size(word.substr(7)) : parse_decimal(word.substr(9), quota_messages_max);
  if (!value || *value == 0) return false;
  (is_octets ? quota.octets_limit : quota.messages_limit) = *value;
  return true;
}

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) {
  constexpr std::string_view units = "KMGT";
  const auto end = text.find_first_not_of("0123456789");
  const auto number = parse_decimal(text.substr(0, end), quota_octets_max);
  if (!number || end == std::string_view::npos) return number;
  std::string unit = to_lower(text.substr(end));
  std::erase(unit, ' ');
  if (unit.size() == 3 && unit.ends_with("ib")) unit.resize(1);
  const auto power = unit.size() == 1 ? units.find(to_upper(unit.front())) : std::string_view::npos;
  if (power == std::string_view::npos) return std::nullopt;
  const unsigned shift = 10 * (static_cast<unsigned>(power) + 1);
  return *number <= quota_octets_max >> shift ? std::optional(*number << shift) : std::nullopt;
}

std::string describe_quota(const mailstore::Quota& quota) {
  std::string out = octets_text(quota.octets_used);
  if (quota.octets_limit > 0) out += " of " + octets_text(quota.octets_limit);
  out += format(", {} messages", quota.messages_used);
  if (quota.messages_limit > 0) out += format(" of {}", quota.messages_limit);
  return out;
}

Task<AdminReply> administer_quota(Stores& stores, AdminRequest request, Context context) {
  auto& accounts = stores.server->accounts();
  auto standing = co_await accounts.standing(request.arguments.at(0), context);
  if (!standing) co_return failed(standing.error());
  mailstore::Quota& quota = standing->quota;
  for (const std::string& word : request.options)
    if (!set_limit(word, quota)) co_return no_quota(word);
  const std::string& login = standing->account.login;
  if (!request.options.empty()) {
    const auto set = co_await accounts.set_quota(login, quota.octets_limit, quota.messages_limit, context);
    if (!set) co_return failed(set.error());
  }
  const bool has_quota = quota.octets_limit > 0 || quota.messages_limit > 0;
  const bool is_over = (quota.octets_limit > 0 && quota.octets_used > quota.octets_limit) || (quota.messages_limit > 0 && quota.messages_used > quota.messages_limit);
  AdminReply reply;
  reply.text = format("{}: {}{}\n", login, describe_quota(quota), has_quota ? "" : "; no quota");
  reply.json = format("{{\"login\":{},\"quota_octets\":{},\"quota_messages\":{},\"octets_used\":{},\"messages_used\":{}}}\n", json_text(login),
                      quota.octets_limit, quota.messages_limit, quota.octets_used, quota.messages_used);
  if (is_over) reply.warning = "it has more than that already: it gets no mail until some is deleted";
  co_return reply;
}

}  // namespace keystonemail::host
