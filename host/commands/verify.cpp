// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "operations/verify.hpp"

#include <cassert>
#include <optional>
#include <utility>

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

AdminReply describe(const Verified& all, std::uint64_t rows_repaired) {
  AdminReply reply;
  reply.status = all.findings.empty() ? 0 : 1;
  reply.json = format("{{\"ok\":{},\"rows\":{},\"accounts\":{},\"mailboxes\":{},\"messages\":{},\"octets\":{},\"records\":{},"
                      "\"rows_repaired\":{},\"findings\":{},\"notes\":{}}}\n",
                      all.findings.empty(), all.rows, all.accounts, all.mailboxes, all.messages, all.octets, all.records,
                      rows_repaired, json_list(all.findings), json_list(all.notes));
  for (const std::string& finding : all.findings) reply.text += finding + "\n";
  for (const std::string& note : all.notes) reply.text += "note: " + note + ", referred to by nothing\n";
  reply.text += format("{} rows, {} accounts, {} mailboxes, {} messages, {}, {} records: {}\n", all.rows, all.accounts,
                       all.mailboxes, all.messages, octets_text(all.octets), all.records,
                       all.findings.empty() ? "no damage" : format("{} findings", all.findings.size()));
  return reply;
}

AdminReply failed(const Error& error) {
  AdminReply reply;
  reply.status = 1;
  reply.error = error_text(error);
  return reply;
}

Task<AdminReply> repair(Stores& stores, Progress& progress, Context context) {
  Verified before = co_await verify(stores, progress, context);
  progress.begin("repairing", before.messages, "messages");
  service::VerifyOptions watch;
  watch.progress = [&progress](const service::VerifyProgress& seen) { progress.set(seen.messages, seen.octets); };
  auto repaired = co_await stores.server->mail().repair(std::move(watch.progress), context);
  progress.end();
  if (!repaired) co_return failed(repaired.error());
  const Verified after = co_await verify(stores, progress, context);
  AdminReply reply = describe(after, repaired->rows_changed);
  std::string text;
  for (const std::string& finding : before.findings) text += "before repair: " + finding + "\n";
  reply.text = text + format("{} rows repaired\n", repaired->rows_changed) + reply.text;
  co_return reply;
}

}  // namespace

Task<AdminReply> verify_store(Stores& stores, AdminRequest request, Context context) {
  assert(request.progress != nullptr);
  const bool repairs = request.verb == "repair";
  if (repairs && stores.upkeep) co_return failed(Error(ErrorKind::conflict, "repair is for when no server runs: stop it first"));
  if (repairs) co_return co_await repair(stores, *request.progress, context);
  if (!stores.upkeep) {
    const Verified all = co_await verify(stores, *request.progress, context);
    co_return describe(all, 0);
  }
  std::optional<Result<Verified>> found;
  Upkeep::Job job = [&](Context of_job) -> Task<void> {
    found = co_await verify_copy(stores, *request.progress, of_job);
  };
  co_await stores.upkeep->run(std::move(job), context);
  co_return *found ? describe(**found, 0) : failed(found->error());
}

int run_verify(const std::string& config, Repair repair, Output output) {
  AdminRequest request;
  request.noun = "verify";
  request.verb = repair == Repair::yes ? "repair" : "look";
  return run_admin(config, std::move(request), output);
}

}  // namespace keystonemail::host
