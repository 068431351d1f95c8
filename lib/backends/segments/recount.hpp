// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The rows of the blob store made to agree with what refers to them, after the index was recovered.
#pragma once

#include "backends/segments/rows.hpp"
#include "backends/segments/segment_set.hpp"

namespace keystonemail::segments {

[[nodiscard]] Task<Result<RecountReport>> recount_rows(kv::Store& store, const SegmentSet& segments, const BlobRows& rows,
                                                       References references, Context context);

}  // namespace keystonemail::segments
