// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "operations/salvage.hpp"

#include <cstdio>

#include "base/format.hpp"
#include "commands/commands.hpp"
#include "keystonemail/backends/libuv/uv_loop.hpp"
#include "operations/offline.hpp"

namespace keystonemail::host {

namespace {

void print_json(const Salvaged& salvaged) {
  std::string accounts;
  for (const SalvagedAccount& account : salvaged.accounts) {
    accounts += format("{}{{\"directory\":{},\"delivered_to\":{},\"messages\":{}}}", accounts.empty() ? "" : ",",
                       json_text(account.directory), json_text(account.delivered_to), account.messages);
  }
  std::fputs(format("{{\"ok\":{},\"messages\":{},\"accounts\":[{}],\"unclaimed\":{},\"unclaimed_messages\":{},\"attachments\":{},"
                    "\"there_already\":{},\"octets\":{},\"damaged\":{}}}\n",
                    salvaged.damaged.empty(), salvaged.messages, accounts, json_text(salvaged.unclaimed), salvaged.unclaimed_messages,
                    salvaged.attachments, salvaged.there_already, salvaged.octets, json_list(salvaged.damaged)).c_str(), stdout);
}

void print(const Salvaged& salvaged, const std::string& target) {
  for (const std::string& damage : salvaged.damaged) std::fputs((damage + "\n").c_str(), stdout);
  std::fputs(format("{} messages of {} accounts, {}, are in {}{}\n", salvaged.messages, salvaged.accounts.size(),
                    octets_text(salvaged.octets), target,
                    salvaged.there_already > 0 ? format("; {} were there already", salvaged.there_already) : "").c_str(), stdout);
  for (const SalvagedAccount& account : salvaged.accounts) {
    const std::string name = account.delivered_to.empty() ? "ACCOUNT" : account.delivered_to;
    std::fputs(format("  {} messages: keystone-mail import {} {}\n", account.messages, name, account.directory).c_str(), stdout);
  }
  if (salvaged.unclaimed_messages + salvaged.attachments > 0) {
    std::fputs(format("  {} messages and {} attachments nobody knows the owner of are in {}\n", salvaged.unclaimed_messages,
                      salvaged.attachments, salvaged.unclaimed).c_str(), stdout);
  }
}

}  // namespace

int run_salvage(const std::string& config, const std::string& target, Output output) {
  return with_config(config, output, [&](const Config& read) {
    Progress progress;
    libuv::UvLoop loop;
    const auto salvaged = loop.run_until(salvage(read.data_directory, target, progress, Context{&loop}));
    progress.end();
    if (!salvaged) return report_error(output, error_text(salvaged.error()));
    if (output == Output::json) print_json(*salvaged);
    else print(*salvaged, target);
    return salvaged->damaged.empty() ? 0 : 1;
  });
}

}  // namespace keystonemail::host
