// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "operations/offline.hpp"

#include <algorithm>

#include "server/privileges.hpp"
#include "server/stderr_log.hpp"
#include "server/stores.hpp"

namespace keystonemail::host {

namespace {

Task<int> open_and_work(const Config& config, Log& log, Output output, const OfflineWork& work, Context context) {
  auto stores = co_await Stores::open(config, log, nullptr, context);
  if (!stores) co_return report_error(output, error_text(stores.error()));
  co_return co_await work(**stores, context);
}

}  // namespace

std::string error_text(const Error& error) {
  if (error.text().empty()) return error.describe();
  return error.detail().empty() ? error.text() : error.text() + " (" + error.detail() + ")";
}

int with_config(const std::string& path, Output output, const std::function<int(const Config&)>& work) {
  auto reading = read_config_file(path);
  if (!reading) return report_error(output, reading.error().text());
  if (!reading->errors.empty()) return report_error(output, describe(reading->errors, path));
  const int status = work(reading->config);
  return report_given(reading->config, output, status);
}

int report_given(const Config& config, Output output, int status) {
  const auto given = give_data(config.data_directory, config.user);
  return given ? status : std::max(status, report_error(output, error_text(given.error())));
}

int run_offline(const std::string& path, Output output, const OfflineWork& work) {
  return with_config(path, output, [&](const Config& config) {
    StderrLog log(config.log_format, LogLevel::warning);
    RunLoop loop;
    return loop.run_until(open_and_work(config, log, output, work, Context{&loop}));
  });
}

}  // namespace keystonemail::host
