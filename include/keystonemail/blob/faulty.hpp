// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// faulty: a blob store that fails on demand, by the same plan as a faulty kv store if so wished.
#pragma once

#include <memory>

#include "keystonemail/blob/blob.hpp"
#include "keystonemail/kv/faulty.hpp"

namespace keystonemail::blob {

// `inner` with `faults` before it; its barrier too.
//
// Ownership: borrows both, which must outlive the store and what it hands out.
[[nodiscard]] std::unique_ptr<Store> make_faulty(Store& inner, kv::Faults& faults);

}  // namespace keystonemail::blob
