// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The form in which text is compared and searched: i;unicode-casemap (RFC 5051), that is case and compatibility
// differences removed, accents kept. Two texts match when their folded forms have equal octets.
//
// Ownership: results are values. Threads: pure functions. Errors: none; invalid octets are kept as they are.
// Limits: output is at most fold_growth_max times the input; linear time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace keystonemail::codec {

inline constexpr std::size_t fold_growth_max = 11;  // U+FDFA, a phrase of 18 letters in one code point

[[nodiscard]] std::string fold_case(std::string_view utf8);
void append_folded(std::string& out, std::string_view utf8);

}  // namespace keystonemail::codec
