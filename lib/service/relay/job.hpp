// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What the relay holds in memory of the queue: entries that are being worked on, and the work.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "keystonemail/queue/queue.hpp"

namespace keystonemail::relay {

// An entry out of the queue, as it was read. What its jobs come to is noted in the queue, not here: recipients of
// different jobs are never the same.
struct ActiveEntry {
  queue::Entry entry;
  queue::Due due;                         // where it stood
  std::size_t open_jobs = 0;
  bool was_moved = false;                 // by an administrator, while it stood in line
};

// Recipients of one entry who are reached together, in one transaction.
struct Job {
  std::shared_ptr<ActiveEntry> active;
  std::vector<std::size_t> recipients;    // indices
};

}  // namespace keystonemail::relay
