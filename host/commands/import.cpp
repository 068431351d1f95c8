// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "commands/commands.hpp"
#include "operations/offline.hpp"
#include "operations/transfer.hpp"
#include "server/stores.hpp"

namespace keystonemail::host {

namespace {

Task<int> import_and_print(Stores& stores, TransferRequest request, std::uint64_t octets_max, Output output, Context context) {
  Progress progress;
  const auto result = co_await import_mail(stores, std::move(request), octets_max, progress, context);
  progress.end();
  co_return print_transferred(result, "imported", output);
}

}  // namespace

int run_import(const std::string& config, const TransferRequest& request, Output output) {
  std::uint64_t octets_max = 0;
  const int status = with_config(config, output, [&](const Config& read) {
    octets_max = read.limits.message_size;
    return 0;
  });
  if (status != 0) return status;
  return run_offline(config, output, [&](Stores& stores, Context context) {
    return import_and_print(stores, request, octets_max, output, std::move(context));
  });
}

}  // namespace keystonemail::host
