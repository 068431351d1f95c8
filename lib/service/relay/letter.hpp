// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Letter: a queued message as it is read for sending, and what a server must be able to do to take it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/base/task.hpp"
#include "keystonemail/queue/queue.hpp"

namespace keystonemail::relay {

// Ownership: owns its reader. Threads: one task at a time. Errors: those of a MessageReader.
// Limits: one piece of 64 KiB; the whole message while it is made seven-bit.
class Letter {
 public:
  [[nodiscard]] static Task<Result<std::unique_ptr<Letter>>> open(queue::Queue& queue, queue::EntryId id, Context context);

  [[nodiscard]] std::uint64_t octets() const noexcept { return text_ ? text_->size() : reader_->octets(); }
  [[nodiscard]] bool eight_bit_header() const noexcept { return eight_bit_header_; }
  [[nodiscard]] bool eight_bit_body() const noexcept { return eight_bit_body_; }

  // From now on it reads as a message without 8-bit octets in its bodies (RFC 6152 §3), and without binary ones.
  [[nodiscard]] Task<Result<void>> make_seven_bit(Context context);
  // The next octets from `offset`; empty at the end. The view lives until the next call.
  [[nodiscard]] Task<Result<std::string_view>> read(std::uint64_t offset, Context context);
  // The first octets, at most so many: the header, or all of it.
  [[nodiscard]] Task<Result<std::string>> begin(std::size_t octets_max, Context context);

 private:
  explicit Letter(std::unique_ptr<mailstore::MessageReader> reader) : reader_(std::move(reader)) {}
  [[nodiscard]] Task<Result<void>> look(Context context);

  std::unique_ptr<mailstore::MessageReader> reader_;
  std::string_view whole_;              // the reader's, when one piece is all
  std::optional<std::string> text_;     // instead of the reader's
  bool eight_bit_header_ = false;
  bool eight_bit_body_ = false;
};

}  // namespace keystonemail::relay
