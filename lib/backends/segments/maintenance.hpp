// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Reading segment files from end to end: to check, to list, to copy.
#pragma once

#include <functional>
#include <string>

#include "backends/segments/segment_set.hpp"
#include "keystonemail/backends/segments/blob_store.hpp"

namespace keystonemail::segments {

[[nodiscard]] Result<ScrubStep> scrub_records(const SegmentSet& segments, ScrubPosition position, std::uint64_t octets_max);
[[nodiscard]] Result<void> list_records(const SegmentSet& segments, const std::function<void(const RecordInfo&)>& visit);
// The same for one segment.
[[nodiscard]] Result<void> list_records(const SegmentSet& segments, const Segment& segment,
                                        const std::function<void(const RecordInfo&)>& visit);
[[nodiscard]] Result<void> copy_segments(const SegmentSet& segments, const std::string& directory);

}  // namespace keystonemail::segments
