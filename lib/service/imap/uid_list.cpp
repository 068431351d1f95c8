// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/imap/uid_list.hpp"

#include <algorithm>
#include <cassert>

namespace keystonemail::service::imap {

UidList::UidList(std::span<const UidRange> uids) {
  runs_.reserve(uids.size());
  for (const UidRange& range : uids) {
    assert(range.first <= range.last && range.first > last());
    if (runs_.empty() || range.first != last() + 1) runs_.push_back({range.first, size_ + 1});
    size_ += range.last - range.first + 1;
  }
}

void UidList::append(Uid uid) {
  assert(uid > last());
  const bool continues = !runs_.empty() && uid == runs_.back().first + (size_ + 1 - runs_.back().sequence);
  if (!continues) runs_.push_back({uid, size_ + 1});
  ++size_;
}

Uid UidList::uid_of(Sequence sequence) const noexcept {
  assert(sequence >= 1 && sequence <= size_);
  const Run& run = runs_[run_of_sequence(sequence)];
  return run.first + (sequence - run.sequence);
}

std::optional<Sequence> UidList::sequence_of(Uid uid) const noexcept {
  const Sequence at = lower_bound(uid);
  if (at > size_ || uid_of(at) != uid) return std::nullopt;
  return at;
}

Sequence UidList::lower_bound(Uid uid) const noexcept {
  const auto after = std::upper_bound(runs_.begin(), runs_.end(), uid,
                                      [](Uid value, const Run& run) { return value < run.first; });
  if (after == runs_.begin()) return size_ == 0 ? 1 : runs_.front().sequence;
  const auto run = static_cast<std::size_t>(after - runs_.begin()) - 1;
  const Uid offset = uid - runs_[run].first;
  const Sequence length = run_end(run) - runs_[run].sequence;
  return offset < length ? runs_[run].sequence + offset : run_end(run);
}

std::vector<Sequence> UidList::remove(std::span<const Uid> uids) {
  std::vector<Sequence> gone;
  for (const Uid uid : uids) {
    if (const auto at = sequence_of(uid)) gone.push_back(*at);
  }
  if (gone.empty()) return gone;
  // One pass: every run is cut at what goes and moved down by how many went before it.
  std::vector<Run> kept;
  kept.reserve(runs_.size() + 1);
  Sequence removed = 0;
  const auto keep = [&](Uid first, Sequence sequence, Sequence length) {
    if (length != 0) kept.push_back({first, sequence - removed});
  };
  auto next = gone.begin();
  for (std::size_t i = 0; i < runs_.size(); ++i) {
    Run rest = runs_[i];
    for (const Sequence end = run_end(i); next != gone.end() && *next < end; ++next) {
      const Sequence length = *next - rest.sequence;
      keep(rest.first, rest.sequence, length);
      ++removed;
      rest = {rest.first + length + 1, *next + 1};
    }
    keep(rest.first, rest.sequence, run_end(i) - rest.sequence);
  }
  runs_ = std::move(kept);
  size_ -= static_cast<Sequence>(gone.size());
  assert(size_ == 0 ? runs_.empty() : runs_.front().sequence == 1);
  return gone;
}

void UidList::clear() noexcept {
  runs_.clear();
  size_ = 0;
}

std::vector<UidRange> UidList::ranges(Sequence first, Sequence last) const {
  assert(first >= 1 && first <= last && last <= size_);
  std::vector<UidRange> result;
  for (std::size_t run = run_of_sequence(first); first <= last; ++run) {
    const Sequence end = std::min(run_end(run), last + 1);
    const Uid uid = runs_[run].first + (first - runs_[run].sequence);
    result.push_back({uid, uid + (end - first) - 1});
    first = end;
  }
  return result;
}

std::size_t UidList::run_of_sequence(Sequence sequence) const noexcept {
  const auto after = std::upper_bound(runs_.begin(), runs_.end(), sequence,
                                      [](Sequence value, const Run& run) { return value < run.sequence; });
  assert(after != runs_.begin());
  return static_cast<std::size_t>(after - runs_.begin()) - 1;
}

Sequence UidList::run_end(std::size_t run) const noexcept {
  return run + 1 < runs_.size() ? runs_[run + 1].sequence : size_ + 1;
}

}  // namespace keystonemail::service::imap
