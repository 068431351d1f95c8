// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "operations/verify.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <cstdio>
#include <functional>
#include <optional>
#include <utility>

#include "base/format.hpp"
#include "commands/commands.hpp"
#include "control/control.hpp"
#include "keystonemail/backends/libuv/uv_loop.hpp"
#include "keystonemail/backends/lmdb/recovery.hpp"
#include "operations/offline.hpp"
#include "operations/rebuild.hpp"
#include "server/stores.hpp"

namespace keystonemail::host {

namespace {

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

Task<AdminReply> repair(Stores& stores, bool has_lost_rows, Progress& progress, Context context) {
  if (has_lost_rows) {
    const auto recounted = co_await rebuild_references(stores, context);
    if (!recounted) co_return failed(recounted.error());
  }
  Verified before = co_await verify(stores, progress, context);
  progress.begin("repairing", before.messages, "messages");
  service::VerifyOptions watch;
  watch.progress = [&progress](const service::VerifyProgress& seen) { progress.set(seen.messages, seen.octets); };
  auto repaired = co_await stores.server->mail().repair(std::move(watch.progress), context);
  progress.end();
  if (!repaired) co_return failed(repaired.error());
  std::uint64_t changed = repaired->rows_changed;
  if (!stores.plugin) {
    const auto reconciled = co_await stores.server->accounts().reconcile_mailboxes(context);
    if (!reconciled) co_return failed(reconciled.error());
    changed += *reconciled;
  }
  const Verified after = co_await verify(stores, progress, context);
  AdminReply reply = describe(after, changed);
  std::string text;
  for (const std::string& finding : before.findings) text += "before repair: " + finding + "\n";
  reply.text = text + format("{} rows repaired\n", changed) + reply.text;
  co_return reply;
}

}  // namespace

Task<AdminReply> verify_store(Stores& stores, AdminRequest request, Context context) {
  assert(request.progress != nullptr);
  const bool has_lost_rows = request.verb == "rebuild";
  const bool repairs = request.verb == "repair" || has_lost_rows;
  if (repairs && stores.upkeep) co_return failed(Error(ErrorKind::conflict, "repair is for when no server runs: stop it first"));
  if (repairs) co_return co_await repair(stores, has_lost_rows, *request.progress, context);
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

namespace {

int ask(const std::string& config, std::string verb, Output output) {
  AdminRequest request;
  request.noun = "verify";
  request.verb = std::move(verb);
  return run_admin(config, std::move(request), output);
}

bool has_server(const Config& config) {
  libuv::UvLoop loop;
  const auto server = control::connect(loop, config.data_directory);
  return server.has_value() || server.error().kind() == ErrorKind::denied;
}

std::string text_of(const lmdb::Recovered& recovered) {
  return format("the index was made anew: {} rows{}; the damaged file is {}\n", recovered.rows,
                recovered.is_whole ? std::string(", all there were")
                                   : format(", {} of them from pages that were cut off, {} damaged rows left out",
                                            recovered.rows_found_loose, recovered.rows_damaged),
                recovered.kept);
}

// The index as a file, before anybody trusts it. With Repair::yes one that is damaged is made anew.
int verify_alone(const Config& read, const std::string& config, Repair repair, Output output) {
  const auto options = Stores::index_options(read);
  const auto found = lmdb::examine(options, repair == Repair::yes ? lmdb::Examine::rows_too : lmdb::Examine::structure);
  const bool is_damaged = found && !found->empty();
  if (is_damaged && repair == Repair::no) {
    const AdminReply reply = describe(damaged_index(*found), 0);
    std::fputs((output == Output::json ? reply.json : reply.text).c_str(), stdout);
    return 1;
  }
  if (!is_damaged) return ask(config, repair == Repair::yes ? "repair" : "look", output);
  const auto recovered = lmdb::recover(options);
  if (!recovered) return report_error(output, "recovery: " + error_text(recovered.error()));
  if (output == Output::text) std::fputs(text_of(*recovered).c_str(), stdout);
  return ask(config, recovered->is_whole ? "repair" : "rebuild", output);
}

// In a process of its own: whatever damage does to who reads it, somebody is left to say so.
int in_child(const std::function<int()>& work, Output output) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) return work();
  if (child == 0) {
    const int status = work();
    std::fflush(nullptr);
    ::_exit(status);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  return report_error(output, format("the store is so damaged that reading it ended with signal {}", WTERMSIG(status)));
}

}  // namespace

int run_verify(const std::string& config, Repair repair, Output output) {
  return with_config(config, output, [&](const Config& read) {
    return in_child([&] { return has_server(read) ? ask(config, repair == Repair::yes ? "repair" : "look", output)
                                                  : verify_alone(read, config, repair, output); }, output);
  });
}

}  // namespace keystonemail::host
