// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// TlsMaterial: the certificate in use, replaced on reload without touching connections.
#pragma once

#include <memory>
#include <mutex>

#include "config/config.hpp"
#include "keystonemail/tls/context.hpp"

namespace keystonemail::host {

// Threads: any.
class TlsMaterial {
 public:
  // Reads certificate and key. On an error the old ones stay. Errors: those of the files; invalid.
  [[nodiscard]] Result<void> load(const Config& config);
  // Null when there is none.
  [[nodiscard]] std::shared_ptr<const tls::ServerContext> context() const;

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const tls::ServerContext> context_;
};

}  // namespace keystonemail::host
