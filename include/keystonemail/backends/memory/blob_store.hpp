// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// memory: the blob port with all content inside a kv table, for stores that live in memory.
#pragma once

#include <cstdint>
#include <memory>

#include "keystonemail/blob/blob.hpp"

namespace keystonemail::memory {

struct BlobOptions {
  kv::Table table;                                      // its own; also in any kv store that is durable
  std::uint64_t octets_max = blob::limits::blob_octets_max;  // of one blob
};

// Staged content is held in memory until the operation that refers to it; nothing needs collecting.
//
// Threads: any. Errors: too_large beyond octets_max. Limits: memory of the size of what is staged.
[[nodiscard]] std::unique_ptr<blob::Store> make_blob_store(BlobOptions options);

}  // namespace keystonemail::memory
