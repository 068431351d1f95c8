// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "commands/commands.hpp"
#include "operations/offline.hpp"
#include "operations/transfer.hpp"
#include "server/stores.hpp"

namespace keystonemail::host {

namespace {

Task<int> export_and_print(Stores& stores, TransferRequest request, Output output, Context context) {
  Progress progress;
  const auto result = co_await export_mail(stores, std::move(request), progress, context);
  progress.end();
  co_return print_transferred(result, "exported", output);
}

}  // namespace

int run_export(const std::string& config, const TransferRequest& request, Output output) {
  return run_offline(config, output,
                     [&](Stores& stores, Context context) { return export_and_print(stores, request, output, std::move(context)); });
}

}  // namespace keystonemail::host
