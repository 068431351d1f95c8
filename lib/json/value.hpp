// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// JSON (RFC 8259), for the little of it that passes between parts of the program. Text is UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "keystonemail/base/result.hpp"

namespace keystonemail::json {

namespace limits {
inline constexpr std::size_t depth_max = 64;
}  // namespace limits

struct Value;
using Array = std::vector<Value>;
using Object = std::map<std::string, Value, std::less<>>;

// Ownership: a value. Threads: not synchronised.
struct Value : std::variant<std::monostate, bool, std::int64_t, double, std::string, Array, Object> {
  using variant::variant;
  Value(const char* text) : variant(std::string(text)) {}
};

// The member of an object; null when `value` is no object or has none of that name.
[[nodiscard]] const Value* member(const Value& value, std::string_view name) noexcept;
// The member when it is of that type, else `otherwise`.
[[nodiscard]] std::string text_member(const Value& value, std::string_view name, std::string otherwise = {});
[[nodiscard]] std::int64_t number_member(const Value& value, std::string_view name, std::int64_t otherwise = 0);

// Errors: invalid (grammar, not UTF-8), too_large (limits::depth_max). Linear in the length of `text`.
[[nodiscard]] Result<Value> parse(std::string_view text);
// On one line; what is not UTF-8 becomes U+FFFD.
[[nodiscard]] std::string serialise(const Value& value);

}  // namespace keystonemail::json
