// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// MessageSource: the octets of a stored message, read in steps, the last of which is kept.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

#include "base/try.hpp"
#include "keystonemail/mailstore/mailstore.hpp"

namespace keystonemail::service::imap {

// A message that fits in one step is read once, however many of its sections are asked for.
//
// Ownership: owns the reader. Views live until the next read(). Threads: its task's. Memory: the reader's.
class MessageSource {
 public:
  static constexpr std::size_t step_octets = 256 * 1024;
  // The first two of a larger message: often its header is all that is wanted, and the store reads ahead from the second on.
  static constexpr std::size_t first_step_octets = 64 * 1024;

  explicit MessageSource(std::unique_ptr<mailstore::MessageReader> reader) : reader_(std::move(reader)) {}
  [[nodiscard]] std::uint64_t octets() const noexcept { return reader_->octets(); }

  // What is at hand of the octets from `offset` on: `octets` of them, fewer, or none.
  [[nodiscard]] std::string_view at_hand(std::uint64_t offset, std::uint64_t octets) const noexcept {
    if (offset < offset_ || offset >= offset_ + window_.size()) return {};
    return window_.substr(offset - offset_, std::min<std::uint64_t>(octets, step_octets));
  }
  // At least one of the `octets` from `offset` on; none at the end of the message. Errors: those of the reader.
  [[nodiscard]] Task<Result<std::string_view>> read(std::uint64_t offset, std::uint64_t octets, Context context) {
    if (octets == 0) co_return std::string_view();
    if (const auto known = at_hand(offset, octets); !known.empty()) co_return known;
    // From the start of a small message all of it, so that other sections need no read of their own.
    const std::uint64_t from = octets_fit() ? 0 : offset;
    const std::size_t step = !octets_fit() && offset < 2 * first_step_octets ? first_step_octets : step_octets;
    KM_CO_TRY(window_, co_await reader_->read(from, step, context));
    offset_ = from;
    co_return at_hand(offset, octets);
  }

 private:
  [[nodiscard]] bool octets_fit() const noexcept { return reader_->octets() <= step_octets; }
  std::unique_ptr<mailstore::MessageReader> reader_;
  std::string_view window_;
  std::uint64_t offset_ = 0;
};

}  // namespace keystonemail::service::imap
