// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/imap/search_program.hpp"

#include <algorithm>
#include <cassert>

namespace keystonemail::service::imap {

Cost cost_of(Test test) noexcept {
  switch (test) {
    case Test::always: case Test::never: case Test::sequence_in: case Test::uid_in:
      return Cost::view;
    case Test::system_keyword: case Test::deleted: case Test::keyword:
    case Test::received_before: case Test::received_on: case Test::received_since:
    case Test::saved_before: case Test::saved_on: case Test::saved_since:
    case Test::received_within: case Test::received_earlier:
    case Test::larger: case Test::smaller: case Test::modified: case Test::email: case Test::thread:
      return Cost::row;
    case Test::sent_before: case Test::sent_on: case Test::sent_since:
    case Test::from: case Test::to: case Test::cc: case Test::bcc: case Test::subject:
    case Test::message_id:
      return Cost::summary;
    case Test::header:
      return Cost::header;
    case Test::body: case Test::text:
      return Cost::body;
  }
  __builtin_unreachable();
}

void SearchProgram::leaf(Leaf leaf) {
  cost_ = std::max(cost_, cost_of(leaf.test));
  tests_view_ = tests_view_ || cost_of(leaf.test) == Cost::view;
  nodes_.push_back({true, Combine::all_of, static_cast<std::uint32_t>(leaves_.size())});
  leaves_.push_back(std::move(leaf));
}

void SearchProgram::open(Combine combine) {
  assert(open_.size() < depth_max);
  open_.push_back(static_cast<std::uint32_t>(nodes_.size()));
  nodes_.push_back({false, combine, 0});
  depth_ = std::max(depth_, open_.size());
}

void SearchProgram::close() {
  assert(!open_.empty());
  nodes_[open_.back()].value = static_cast<std::uint32_t>(nodes_.size());
  open_.pop_back();
}

}  // namespace keystonemail::service::imap
