// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// ReadAhead: decodes on other threads what somebody who reads a large blob from its start will ask for next, while what
// was read is on its way out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "backends/segments/row.hpp"
#include "backends/segments/segment.hpp"
#include "keystonemail/base/worker_pool.hpp"
#include "keystonemail/blob/blob.hpp"

namespace keystonemail::segments {

// Threads: any. Limits: pieces_max pieces of piece_octets each are kept, for whoever comes first; the oldest go.
class ReadAhead {
 public:
  static constexpr std::size_t pieces_max = 8, piece_octets = 256U << 10;

  explicit ReadAhead(WorkerPool& workers) : workers_(workers) {}

  // The octets from `offset` on, when they were read ahead and are as many as that. May wait for the thread that is
  // at it. What failed is not here: to be read again, so that the reader learns why.
  [[nodiscard]] std::optional<std::string> take(const blob::BlobId& id, std::uint64_t offset, std::size_t octets);
  // Begins with the octets from `offset` on, if that is worth it.
  void expect(std::shared_ptr<const Segment> segment, const Location& location, const blob::BlobId& id,
              std::uint64_t offset, std::uint64_t content_octets);

 private:
  class Piece;
  WorkerPool& workers_;
  std::mutex mutex_;
  std::list<std::shared_ptr<Piece>> pieces_;  // guarded by mutex_; the oldest first
};

}  // namespace keystonemail::segments
