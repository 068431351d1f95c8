// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// BufferPool: the read buffers that the connections of one loop lend from each other.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace keystonemail::libuv {

// Threads: not synchronised.
class BufferPool {
 public:
  static constexpr std::size_t buffer_octets = 64 * 1024;
  static constexpr std::size_t free_buffers_max = 64;
  using Buffer = std::unique_ptr<char[]>;

  BufferPool() { free_.reserve(free_buffers_max); }
  [[nodiscard]] Buffer lend() {
    if (free_.empty()) return std::make_unique_for_overwrite<char[]>(buffer_octets);
    Buffer buffer = std::move(free_.back());
    free_.pop_back();
    return buffer;
  }
  void give_back(Buffer buffer) noexcept {
    if (buffer && free_.size() < free_buffers_max) free_.push_back(std::move(buffer));
  }

 private:
  std::vector<Buffer> free_;  // the last given back is the warmest
};

}  // namespace keystonemail::libuv
