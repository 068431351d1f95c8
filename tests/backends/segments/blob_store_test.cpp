// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/backends/segments/blob_store.hpp"

#include <doctest/doctest.h>

#include "backends/segments/fixture.hpp"

using namespace keystonemail;

TEST_CASE("segments blob: conforms on lmdb") { conformance::blob<SegmentsFixture>(); }
