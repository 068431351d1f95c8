// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <doctest/doctest.h>

#include "service/mailstore/store_fixture.hpp"

using namespace keystonemail;
using conformance::MailDriver;

namespace {
struct Posted : test::MemoryStore {
  Posted() : MemoryStore({}, memory::Completion::posted) {}
};
}  // namespace

TEST_CASE("mail store: conforms on memory") { conformance::mailstore<test::MemoryStore>(); }
TEST_CASE("mail store: conforms on an engine that completes later") { conformance::mailstore<Posted>(); }
