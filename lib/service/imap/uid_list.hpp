// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// UidList: the UIDs of a mailbox in order, and so the translation between UIDs and message sequence numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "keystonemail/mailstore/ids.hpp"
#include "keystonemail/mailstore/mailstore.hpp"

namespace keystonemail::service::imap {

using mailstore::Uid;
using mailstore::UidRange;
using Sequence = std::uint32_t;  // RFC 9051 §2.3.1.2: 1 to the number of messages

// UIDs are kept as runs of consecutive numbers, eight octets each: a mailbox that was only ever appended to takes one
// run whatever its size, and the worst case (every other message gone) is eight octets a message.
//
// Threads: not synchronised. A lookup takes O(log runs).
class UidList {
 public:
  UidList() = default;
  // REQUIRES: `uids` ascend and are disjoint.
  explicit UidList(std::span<const UidRange> uids);

  [[nodiscard]] Sequence size() const noexcept { return size_; }
  [[nodiscard]] Uid last() const noexcept { return size_ == 0 ? 0 : uid_of(size_); }
  // REQUIRES: uid > last().
  void append(Uid uid);
  // REQUIRES: 1 <= sequence <= size().
  [[nodiscard]] Uid uid_of(Sequence sequence) const noexcept;
  [[nodiscard]] std::optional<Sequence> sequence_of(Uid uid) const noexcept;
  // The sequence number of the first UID that is not less than `uid`; size() + 1 if there is none.
  [[nodiscard]] Sequence lower_bound(Uid uid) const noexcept;
  [[nodiscard]] bool contains(Uid uid) const noexcept { return sequence_of(uid).has_value(); }
  // Drops those of `uids` (ascending) that are there and returns the sequence numbers they had, ascending.
  std::vector<Sequence> remove(std::span<const Uid> uids);
  void clear() noexcept;

  // The consecutive UIDs from sequence number `first` to `last`, both included.
  [[nodiscard]] std::vector<UidRange> ranges(Sequence first, Sequence last) const;
  [[nodiscard]] std::vector<UidRange> ranges() const { return size_ == 0 ? std::vector<UidRange>{} : ranges(1, size_); }
  [[nodiscard]] std::size_t memory_octets() const noexcept { return runs_.capacity() * sizeof(Run); }

 private:
  struct Run {
    Uid first;
    Sequence sequence;  // of `first`; the run ends where the next begins
  };
  [[nodiscard]] std::size_t run_of_sequence(Sequence sequence) const noexcept;
  [[nodiscard]] Sequence run_end(std::size_t run) const noexcept;  // the sequence number after its last

  std::vector<Run> runs_;
  Sequence size_ = 0;
};

}  // namespace keystonemail::service::imap
