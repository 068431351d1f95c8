// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/lmdb/data_file.hpp"

#include <cerrno>

#include "backends/lmdb/errors.hpp"
#include "backends/lmdb/tree_walk.hpp"

namespace keystonemail::lmdb {

Result<void> check_data_file(const std::string& name) {
  const PageFile file(name);
  if (file.fd() < 0 && errno == ENOENT) return {};
  if (file.fd() < 0) return failed(errno, "open " + name);
  const auto [first, second] = file.metas();
  if (!first || !second)  // LMDB opens with neither missing; recovery makes one from the other
    return fail(ErrorKind::corrupt, "stored data is damaged", name + ": a meta page cannot be read");
  const Meta& newest = second->transaction > first->transaction ? *second : *first;
  // The last pages may be missing when they were freed before they were ever written, so a short file is walked.
  if ((newest.last_page + 1) * newest.page_octets <= file.octets()) return {};
  TreeWalk walk(file, newest);
  walk.run();
  if (walk.findings().empty()) return {};
  return fail(ErrorKind::corrupt, "stored data is damaged", walk.findings().front());
}

}  // namespace keystonemail::lmdb
