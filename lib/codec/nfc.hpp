// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Normalisation Form C (Unicode Standard Annex 15): the one form of a mailbox name (RFC 5198 §3). Private to the library.
//
// Threads: pure function. Errors: std::nullopt for what is not UTF-8. Limits: linear time but for long runs of marks.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace keystonemail::codec {

[[nodiscard]] std::optional<std::string> to_nfc(std::string_view utf8);
// In lower case before (RFC 8265 §3.3.1), for names of people: ß stays ß, which case folding would take for ss.
[[nodiscard]] std::optional<std::string> to_lower_nfc(std::string_view utf8);

}  // namespace keystonemail::codec
