// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Stage: what the demo plays on: a store, a certificate, listeners and two accounts.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "demo/demo.hpp"
#include "demo/printer.hpp"
#include "keystonemail/backends/libuv/uv_loop.hpp"
#include "server/stderr_log.hpp"
#include "server/stores.hpp"

namespace keystonemail::host::demo {

// Ownership: borrows the loop and the printer. Threads: the loop's.
class Stage {
 public:
  // `data` empty: everything in memory.
  Stage(std::string data, libuv::UvLoop& loop, Printer& printer);

  // Puts everything up and prints each step. What is in the directory from an earlier time is used again.
  // Errors: denied, unavailable (the directory); those of the store.
  [[nodiscard]] Result<void> build();
  [[nodiscard]] const Scene& scene() const noexcept { return scene_; }
  [[nodiscard]] Random& random() noexcept { return stores_->random; }
  [[nodiscard]] const std::string& config_path() const noexcept { return config_path_; }  // empty: in memory

 private:
  [[nodiscard]] Result<void> make_directory();
  [[nodiscard]] Result<void> take_certificate();
  [[nodiscard]] Result<void> make_certificate();
  [[nodiscard]] Result<bool> use_certificate(const std::string& chain, const std::string& key);
  [[nodiscard]] Result<void> open_store();
  [[nodiscard]] Task<Result<void>> take_accounts();
  [[nodiscard]] Task<Result<bool>> take_account(Person& person, std::string kept, Context context);
  [[nodiscard]] Result<void> listen();
  [[nodiscard]] Result<void> listen(const keystonemail::ListenerOptions& options, std::uint16_t& port);
  [[nodiscard]] Result<void> write_config();

  const std::string data_;
  libuv::UvLoop& loop_;
  Printer& printer_;
  StderrLog log_;
  Config config_;
  Scene scene_;
  std::string config_path_;
  std::shared_ptr<const tls::ServerContext> tls_;
  std::unique_ptr<Stores> stores_;
  std::vector<std::unique_ptr<transport::Listener>> listeners_;
};

}  // namespace keystonemail::host::demo
