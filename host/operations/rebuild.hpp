// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What is done for a store whose index was recovered with rows missing, before the mail store repairs itself.
#pragma once

#include "keystonemail/backends/segments/blob_store.hpp"
#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/task.hpp"

namespace keystonemail::host {

class Stores;

// Counts what every message and queue entry refers to, and has the blob store agree with it.
// REQUIRES: nothing else changes the stores meanwhile. Errors: those of the stores.
[[nodiscard]] Task<Result<segments::RecountReport>> rebuild_references(Stores& stores, Context context);

}  // namespace keystonemail::host
