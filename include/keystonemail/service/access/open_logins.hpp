// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// OpenLogins: who is logged in, so that sessions end when what they logged in with is taken away.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>

namespace keystonemail::access {

// Threads: any. Ownership: may go before its leases.
// Memory: a row for each login that has a session, or was ended since this was made.
class OpenLogins {
 public:
  // A session's part in it. The token is asked to stop when the session has to end; without a login it never is.
  class Lease {
   public:
    Lease() = default;
    [[nodiscard]] std::stop_token token() const noexcept { return source_ ? source_->get_token() : std::stop_token(); }
    [[nodiscard]] bool has_ended() const noexcept { return source_ && source_->stop_requested(); }

   private:
    friend class OpenLogins;
    explicit Lease(std::shared_ptr<std::stop_source> source) : source_(std::move(source)) {}
    std::shared_ptr<std::stop_source> source_;
  };
  // Counts the calls of end().
  enum class Moment : std::uint64_t {};

  // To be asked before the credentials of a login are read.
  [[nodiscard]] Moment now() const;
  // A session of `login` (canonical), whose credentials were read after `since`: ended already when they were taken away meanwhile.
  [[nodiscard]] Lease enter(std::string_view login, Moment since);
  // Ends all sessions of `login`: it was disabled or removed, or one of its passwords changed.
  void end(std::string_view login);

 private:
  struct Login {
    std::weak_ptr<std::stop_source> sessions;
    Moment ended{};
  };
  void forget_idle();  // REQUIRES: mutex_

  mutable std::mutex mutex_;  // guards all below
  Moment moment_{};
  std::size_t forget_at_ = 64;
  std::map<std::string, Login, std::less<>> logins_;
};

}  // namespace keystonemail::access
