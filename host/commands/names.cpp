// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "commands/names.hpp"

#include <algorithm>
#include <array>

#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "server/host_lookup.hpp"

namespace keystonemail::host {
namespace {

constexpr std::uint16_t dns_port = 53;

// By the system's own resolver: "localhost", a router's name.
std::optional<IpAddress> look_up_server(const std::string& host) {
  const auto addresses = system_addresses(host);
  return addresses.empty() ? std::nullopt : std::optional(addresses.front());
}

// An address, in brackets or not, without a port.
std::optional<IpAddress> parse_bare(std::string_view text) {
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  return IpAddress::parse(text);
}

Result<Endpoint> parse_server(const std::string& text) {
  std::optional<Endpoint> out = Endpoint::parse(text);
  if (const auto bare = parse_bare(text)) out = Endpoint{*bare, dns_port};
  if (!out) {
    const std::size_t colon = text.rfind(':');
    const auto port = colon == std::string::npos ? std::optional<std::uint64_t>(dns_port) : parse_decimal(text.substr(colon + 1), 65'535);
    const auto address = port ? look_up_server(text.substr(0, colon)) : std::nullopt;
    if (address) out = Endpoint{*address, static_cast<std::uint16_t>(*port)};
  }
  if (!out || out->port == 0) return fail(ErrorKind::invalid, text + " is no DNS server's address");
  return *out;
}

}  // namespace

Result<std::unique_ptr<Names>> Names::open(const std::string& server, unbound::Options options) {
  if (!server.empty()) {
    KM_TRY(const Endpoint endpoint, parse_server(server));
    options.servers = {endpoint};
  }
  std::unique_ptr<Names> out(new Names);
  KM_TRY(out->resolver_, unbound::open_resolver(std::move(options)));
  return out;
}

dns::Answer Names::ask(dns::Question question) {
  if (const auto known = known_.find(question); known != known_.end()) return known->second;
  const dns::Name name = question.name;
  auto answer = loop_.run_until(resolver_->resolve(std::move(question), Context(&loop_)));
  return answer ? *std::move(answer) : dns::Answer::none(dns::AnswerStatus::timeout, name);
}

void Names::ask_ahead(std::vector<dns::Question> questions) {
  std::vector<Task<Result<dns::Answer>>> asking;
  for (const dns::Question& question : questions) asking.push_back(resolver_->resolve(question, Context(&loop_)));
  for (std::size_t i = 0; i < questions.size(); ++i) {
    auto answer = loop_.run_until(std::move(asking[i]));
    auto said = answer ? *std::move(answer) : dns::Answer::none(dns::AnswerStatus::timeout, questions[i].name);
    known_.insert_or_assign(std::move(questions[i]), std::move(said));
  }
}

}  // namespace keystonemail::host
