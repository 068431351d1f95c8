// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// OwnerLock: one holder of a data directory at a time, in this process or another.
#pragma once

#include <string>
#include <utility>

#include "keystonemail/base/result.hpp"

namespace keystonemail::lmdb {

// An exclusive flock(2) on a file that holds the pid of its owner. Opening one LMDB environment twice in a process
// breaks its fcntl locks without a word; flock belongs to the open file, so it catches that too.
class OwnerLock {
 public:
  // Errors: unavailable, with the holder's pid.
  [[nodiscard]] static Result<OwnerLock> acquire(const std::string& file);
  OwnerLock(OwnerLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  OwnerLock& operator=(OwnerLock&&) = delete;
  ~OwnerLock();

 private:
  explicit OwnerLock(int fd) noexcept : fd_(fd) {}
  int fd_;
};

}  // namespace keystonemail::lmdb
