// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Rows of a policy's memory in a kv store: read once when it is opened, written behind its back.
#pragma once

#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/kv/kv.hpp"

namespace keystonemail::policies {

// A row to be written, or removed.
struct RowChange {
  std::string key;
  std::optional<std::string> value;
};

// Applies the changes in operations of some thousands each. Errors: those of the store; what was written before one stays.
[[nodiscard]] Task<Result<void>> write_rows(kv::Store& store, kv::Table table, const std::vector<RowChange>& changes, Context context);

// Passes every row. False: it is of no use, and is removed.
using RowVisitor = std::function<bool(std::string_view key, std::string_view value)>;
[[nodiscard]] Task<Result<void>> read_rows(kv::Store& store, kv::Table table, RowVisitor visit, Context context);

// A short name for what `parts` say together, each told from the next: 12 octets, so that a std::string keeps it in place.
// Not for secrets; those who find two parts with one name only share a counter.
[[nodiscard]] std::string short_name(std::initializer_list<std::string_view> parts);

}  // namespace keystonemail::policies
