// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Requests: the questions a plugin has been asked and has not answered, and the functions it answers them with.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/log.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/directory/directory.hpp"
#include "keystonemail/directory/plugin.h"

namespace keystonemail::plugin {

enum class Status : std::uint8_t { ok, no, not_found, denied };

// What a plugin has said about a request.
struct Answer {
  Status status = Status::ok;
  directory::Mailboxes mailboxes;
  std::optional<directory::Account> account;
  std::string credential;
  std::vector<directory::Directory::ScramCredential> scram;
};

// Where a request's caller waits. Threads: the caller's executor alone.
class Waiter {
 public:
  // The first end counts, be it an answer, a timeout or a stop.
  void end(Result<Answer> result) {
    if (std::exchange(over_, true)) return;
    pending_.complete(std::move(result));
  }
  [[nodiscard]] Pending<Result<Answer>>& pending() noexcept { return pending_; }

 private:
  bool over_ = false;
  Pending<Result<Answer>> pending_;
};

// Requests are numbers to the plugin, so that one it answers twice or too late is looked up in vain.
//
// Threads: any. Ownership: outlives the plugin; borrows the log.
class Requests {
 public:
  explicit Requests(Log& log);
  Requests(const Requests&) = delete;
  Requests& operator=(const Requests&) = delete;

  // What the plugin is given.
  [[nodiscard]] const keystonemail_host* host() const noexcept { return &host_; }

  [[nodiscard]] keystonemail_request add(Executor* executor, std::shared_ptr<Waiter> waiter);
  // After it returns nothing more is posted for that request.
  void drop(keystonemail_request request);
  [[nodiscard]] bool is_open(keystonemail_request request) const;

 private:
  struct Open {
    Executor* executor;
    std::shared_ptr<Waiter> waiter;
    Answer answer;
    std::string fault;  // the first rule the plugin broke
  };

  static Requests& of(const keystonemail_host* host) noexcept { return *static_cast<Requests*>(host->self); }
  static void add_mailbox(const keystonemail_host* host, keystonemail_request request, std::uint32_t account,
                          keystonemail_text address, keystonemail_text detail);
  static void add_remote(const keystonemail_host* host, keystonemail_request request, keystonemail_text address);
  static void set_account(const keystonemail_host* host, keystonemail_request request, const keystonemail_account* account,
                          keystonemail_text credential);
  static void add_scram(const keystonemail_host* host, keystonemail_request request, const keystonemail_scram* keys);
  static void finish(const keystonemail_host* host, keystonemail_request request, keystonemail_status status,
                     keystonemail_text reason);
  static void log_line(const keystonemail_host* host, std::int32_t level, keystonemail_text message);

  // Runs `change` on the request when it is open; what it returns is the broken rule, empty for none.
  template <class Change>
  void update(keystonemail_request request, Change change);
  [[nodiscard]] Result<Answer> conclude(Open open, keystonemail_status status, keystonemail_text reason);

  Log& log_;
  keystonemail_host host_;
  mutable std::mutex mutex_;
  std::uint64_t last_ = 0;                       // guarded by mutex_, as is open_
  std::map<keystonemail_request, Open> open_;
};

}  // namespace keystonemail::plugin
