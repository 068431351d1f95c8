// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/imap/selection.hpp"

#include <algorithm>

namespace keystonemail::service::imap {

namespace {

using engine::NumberRange;

// Sequence numbers of UIDs first to last, both included.
void append_places(Selection& selection, const UidList& uids, Uid first, Uid last) {
  const Sequence from = uids.lower_bound(first);
  const Sequence after = last == UINT32_MAX ? uids.size() + 1 : uids.lower_bound(last + 1);
  if (from >= after) return;
  if (!selection.empty() && selection.back().last + 1 == from) {
    selection.back().last = after - 1;
  } else {
    selection.push_back({from, after - 1});
  }
}

}  // namespace

std::optional<Selection> select_messages(const MailboxView& view, const engine::SequenceSet& set, engine::NumberKind kind) {
  Selection selection;
  if (set.saved_result) {
    for (const UidRange& range : view.search_result) append_places(selection, view.uids, range.first, range.last);
    return selection;
  }
  if (kind == engine::NumberKind::uid) {
    for (const NumberRange& range : set.resolve(view.uids.last())) append_places(selection, view.uids, range.first, range.last);
    return selection;
  }
  const Sequence size = view.uids.size();
  const auto exists = [&](std::uint32_t n) { return n == engine::largest_number ? size != 0 : n <= size; };
  for (const NumberRange& range : set.ranges) {
    if (!exists(range.first) || !exists(range.last)) return std::nullopt;
  }
  return set.resolve(size);
}

std::vector<UidRange> to_uid_ranges(std::span<const NumberRange> numbers) {
  std::vector<UidRange> ranges;
  for (const NumberRange& range : numbers) ranges.push_back({range.first, range.last});
  return ranges;
}

std::vector<UidRange> uid_ranges(const MailboxView& view, const Selection& selection) {
  std::vector<UidRange> ranges;
  for (const NumberRange& range : selection) {
    for (const UidRange& uids : view.uids.ranges(range.first, range.last)) {
      if (!ranges.empty() && ranges.back().last + 1 == uids.first) {
        ranges.back().last = uids.last;
      } else {
        ranges.push_back(uids);
      }
    }
  }
  return ranges;
}

std::vector<Uid> uids_of(const MailboxView& view, const Selection& selection) {
  std::vector<Uid> uids;
  uids.reserve(count(selection));
  for (const UidRange& range : uid_ranges(view, selection)) {
    for (Uid uid = range.first;; ++uid) {
      uids.push_back(uid);
      if (uid == range.last) break;
    }
  }
  return uids;
}

std::size_t count(const Selection& selection) noexcept {
  std::size_t total = 0;
  for (const NumberRange& range : selection) total += range.last - range.first + 1;
  return total;
}

std::vector<NumberRange> absent(const UidList& there, std::span<const NumberRange> named, Uid last) {
  std::vector<NumberRange> ranges;
  for (const NumberRange& range : named) {
    const Uid end = std::min(range.last, last);
    for (Uid next = range.first; next <= end;) {
      const Sequence place = there.lower_bound(next);
      const bool found = place <= there.size() && there.uid_of(place) <= end;
      const Uid stop = found ? there.uid_of(place) : end;
      if (!found) ranges.push_back({next, stop});
      else if (stop > next) ranges.push_back({next, stop - 1});
      if (stop == UINT32_MAX) return ranges;
      next = stop + 1;
    }
  }
  return ranges;
}

std::optional<Windows::Window> Windows::next() noexcept {
  if (rest_.empty()) return std::nullopt;
  const Sequence first = std::max(rest_.front().first, done_ + 1);
  const Sequence end = first + messages_max_;
  done_ = std::min(rest_.front().last, end - 1);
  while (done_ == rest_.front().last) {
    rest_ = rest_.subspan(1);
    if (rest_.empty() || rest_.front().first > done_ + gap_max || rest_.front().first >= end) break;
    done_ = std::min(rest_.front().last, end - 1);
  }
  return Window{first, done_};
}

}  // namespace keystonemail::service::imap
