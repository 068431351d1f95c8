// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "operations/backup.hpp"

#include <cassert>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/format.hpp"
#include "commands/commands.hpp"
#include "operations/offline.hpp"
#include "server/stores.hpp"

namespace keystonemail::host {

namespace {

AdminReply describe(const Result<BackedUp>& made) {
  AdminReply reply;
  if (!made) {
    reply.status = 1;
    reply.error = error_text(made.error());
    return reply;
  }
  reply.json = format("{{\"ok\":true,\"directory\":{},\"files\":{},\"octets\":{},\"files_shared\":{}}}\n",
                      json_text(made->directory), made->files, made->octets, made->files_shared);
  reply.text = format("{}: {} files, {}, {} of them shared with an older backup\n", made->directory, made->files,
                      octets_text(made->octets), made->files_shared);
  return reply;
}

}  // namespace

Task<AdminReply> make_backup(Stores& stores, AdminRequest request, Context context) {
  assert(request.progress != nullptr);
  const std::string target = request.arguments.at(0);
  std::optional<Result<BackedUp>> made;
  Upkeep::Job job = [&](Context of_job) -> Task<void> {
    made = backup(stores, stores.config.data_directory, target, *request.progress, of_job.stop);
    co_return;
  };
  if (stores.upkeep) co_await stores.upkeep->run(std::move(job), context);
  else co_await job(context);
  co_return describe(*made);
}

int run_backup(const std::string& config, const std::string& target, Output output) {
  std::error_code code;
  AdminRequest request;
  request.noun = "backup";
  request.verb = "make";
  request.arguments.push_back(std::filesystem::absolute(target, code).lexically_normal().string());  // the server stands elsewhere
  return run_admin(config, std::move(request), output);
}

}  // namespace keystonemail::host
