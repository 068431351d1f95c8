// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/access/open_logins.hpp"

#include <algorithm>
#include <utility>

namespace keystonemail::access {

OpenLogins::Moment OpenLogins::now() const {
  const std::lock_guard lock(mutex_);
  return moment_;
}

OpenLogins::Lease OpenLogins::enter(std::string_view login, Moment since) {
  const std::lock_guard lock(mutex_);
  auto found = logins_.find(login);
  if (found == logins_.end()) {
    if (logins_.size() >= forget_at_) forget_idle();
    found = logins_.emplace(std::string(login), Login()).first;
  }
  if (found->second.ended > since) {
    auto over = std::make_shared<std::stop_source>();
    over->request_stop();
    return Lease(std::move(over));
  }
  auto sessions = found->second.sessions.lock();
  if (!sessions) {
    sessions = std::make_shared<std::stop_source>();
    found->second.sessions = sessions;
  }
  return Lease(std::move(sessions));
}

void OpenLogins::end(std::string_view login) {
  std::shared_ptr<std::stop_source> sessions;
  {
    const std::lock_guard lock(mutex_);
    moment_ = Moment{std::to_underlying(moment_) + 1};
    auto found = logins_.find(login);
    if (found == logins_.end()) found = logins_.emplace(std::string(login), Login()).first;
    found->second.ended = moment_;
    sessions = std::exchange(found->second.sessions, {}).lock();
  }
  if (sessions) sessions->request_stop();  // what it calls may come back here
}

void OpenLogins::forget_idle() {
  std::erase_if(logins_, [](const auto& entry) { return entry.second.sessions.expired() && entry.second.ended == Moment{}; });
  forget_at_ = std::max<std::size_t>(64, 2 * logins_.size());
}

}  // namespace keystonemail::access
