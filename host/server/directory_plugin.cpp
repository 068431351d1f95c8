// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "server/directory_plugin.hpp"

#include <utility>

#include "base/format.hpp"
#include "base/try.hpp"
#include "keystonemail/backends/plugin/directory.hpp"
#include "server/privileges.hpp"

namespace keystonemail::host {

Result<DirectoryConfig> with_options_read(DirectoryConfig directory) {
  KM_TRY(std::string text, read_secret(directory.options));
  if (directory.options.kind != SecretSource::Kind::literal)
    while (text.ends_with('\n') || text.ends_with('\r')) text.pop_back();  // as editors leave them
  directory.options = {SecretSource::Kind::literal, std::move(text)};
  return directory;
}

Result<std::unique_ptr<directory::Directory>> open_plugin(const Config& config, Log& log) {
  if (config.directory.type == DirectoryType::internal) return nullptr;
  KM_TRY(DirectoryConfig directory, with_options_read(config.directory));
  plugin::DirectoryOptions options;
  options.path = directory.path;
  options.configuration = std::move(directory.options.name);
  options.primary_domain = config.primary_domain;
  if (!config.user.empty()) {
    KM_TRY(const Identity service, find_user(config.user));
    options.service_user = service.user;
  }
  auto opened = plugin::open_directory(std::move(options), log);
  if (!opened) return fail(opened.error().kind(), format("[directory] {}", opened.error().text()), opened.error().detail());
  return std::move(*opened);
}

}  // namespace keystonemail::host
