// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "server/tls_material.hpp"

#include <utility>

#include "base/try.hpp"

namespace keystonemail::host {

Result<void> TlsMaterial::load(const Config& config) {
  if (config.certificate.empty()) return {};
  KM_TRY(std::string chain, read_file(config.certificate));
  KM_TRY(std::string key, read_secret(config.private_key));
  tls::ServerOptions options;
  options.certificates.push_back({std::move(chain), std::move(key)});
  options.session_context = "keystone-mail";
  KM_TRY(auto fresh, tls::ServerContext::create(options, context()));
  const std::lock_guard lock(mutex_);
  context_ = std::move(fresh);
  return {};
}

std::shared_ptr<const tls::ServerContext> TlsMaterial::context() const {
  const std::lock_guard lock(mutex_);
  return context_;
}

}  // namespace keystonemail::host
