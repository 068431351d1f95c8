// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Header fields of HTTP (RFC 9110 §5), in the order in which they came.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace keystonemail::http {

struct Field {
  std::string name;   // a token, in the case in which it came
  std::string value;  // without the white space around it
  friend bool operator==(const Field&, const Field&) = default;
};
using Fields = std::vector<Field>;

// The value of the first field of that name, whatever its case; null when there is none.
[[nodiscard]] const std::string* find(const Fields& fields, std::string_view name) noexcept;
[[nodiscard]] std::size_t count(const Fields& fields, std::string_view name) noexcept;

// RFC 9110 §5.6.2.
[[nodiscard]] bool is_token(std::string_view text) noexcept;
// RFC 9110 §5.5: what may be sent as a value: no control characters but HTAB, no white space around it.
[[nodiscard]] bool is_field_value(std::string_view text) noexcept;

// Whether a comma-separated list (RFC 9110 §5.6.1) in any of the fields of that name has the word, whatever its case.
[[nodiscard]] bool list_has(const Fields& fields, std::string_view name, std::string_view word) noexcept;

// "text/plain" of "Text/Plain; charset=utf-8": the media type (RFC 9110 §8.3.1) in lower case, empty when there is none.
[[nodiscard]] std::string media_type(const Fields& fields);

}  // namespace keystonemail::http
