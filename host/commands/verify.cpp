// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "operations/verify.hpp"

#include <cstdio>

#include "base/format.hpp"
#include "commands/commands.hpp"
#include "operations/offline.hpp"
#include "server/stores.hpp"

namespace keystonemail::host {

namespace {

std::string json_list(const std::vector<std::string>& all) {
  std::string out = "[";
  for (const std::string& one : all) out += (out.size() > 1 ? "," : "") + json_text(one);
  return out + "]";
}

void print(const Verified& all, std::uint64_t rows_repaired, Output output) {
  std::string out;
  if (output == Output::json) {
    out = format("{{\"ok\":{},\"rows\":{},\"accounts\":{},\"mailboxes\":{},\"messages\":{},\"octets\":{},\"records\":{},"
                 "\"rows_repaired\":{},\"findings\":{},\"notes\":{}}}\n",
                 all.findings.empty(), all.rows, all.accounts, all.mailboxes, all.messages, all.octets, all.records,
                 rows_repaired, json_list(all.findings), json_list(all.notes));
  } else {
    for (const std::string& finding : all.findings) out += finding + "\n";
    for (const std::string& note : all.notes) out += "note: " + note + ", referred to by nothing\n";
    out += format("{} rows, {} accounts, {} mailboxes, {} messages, {}, {} records: {}\n", all.rows, all.accounts,
                  all.mailboxes, all.messages, octets_text(all.octets), all.records,
                  all.findings.empty() ? "no damage" : format("{} findings", all.findings.size()));
  }
  std::fputs(out.c_str(), stdout);
}

Task<int> verify_and_print(Stores& stores, Repair repair, Output output, Context context) {
  Progress progress;
  Verified all = co_await verify(stores, progress, context);
  std::uint64_t rows_repaired = 0;
  if (repair == Repair::yes) {
    if (output == Output::text)
      for (const std::string& finding : all.findings) std::fputs(("before repair: " + finding + "\n").c_str(), stdout);
    progress.begin("repairing", all.messages, "messages");
    service::VerifyOptions watch;
    watch.progress = [&progress](const service::VerifyProgress& seen) { progress.set(seen.messages, seen.octets); };
    auto repaired = co_await stores.server->mail().repair(std::move(watch.progress), context);
    progress.end();
    if (!repaired) co_return report_error(output, "repair: " + error_text(repaired.error()));
    rows_repaired = repaired->rows_changed;
    if (output == Output::text) std::fputs(format("{} rows repaired\n", rows_repaired).c_str(), stdout);
    all = co_await verify(stores, progress, context);
  }
  print(all, rows_repaired, output);
  co_return all.findings.empty() ? 0 : 1;
}

}  // namespace

int run_verify(const std::string& config, Repair repair, Output output) {
  return run_offline(config, output,
                     [&](Stores& stores, Context context) { return verify_and_print(stores, repair, output, std::move(context)); });
}

}  // namespace keystonemail::host
