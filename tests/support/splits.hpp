// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Random places to cut a session's octets at.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "keystonemail/base/random.hpp"
#include "support/sanitized.hpp"

namespace keystonemail::test {

// KEYSTONEMAIL_SPLITS, or the number that fits in a second or so.
inline std::uint64_t splits_wanted() {
  const char* given = std::getenv("KEYSTONEMAIL_SPLITS");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : sanitized ? 300 : 3'000;
}

// Ascending, few or many, anywhere in `octets`; two may be the same.
inline std::vector<std::size_t> random_cuts(SeededRandom& random, std::size_t octets) {
  std::vector<std::size_t> cuts(random.below(random.below(4) == 0 ? octets + 1 : 6));
  for (std::size_t& cut : cuts) cut = random.below(octets + 1);
  std::sort(cuts.begin(), cuts.end());
  return cuts;
}

}  // namespace keystonemail::test
