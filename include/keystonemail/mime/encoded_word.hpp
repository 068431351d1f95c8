// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Encoded words (RFC 2047): text other than ASCII in headers. Decoding is for display and search, never for
// addresses (attack C8).
//
// Ownership: values. Threads: pure functions. Errors: none; what is no encoded word stays as it is.
// Limits: linear time; decoded text is at most 4 times the input.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace keystonemail::mime {

// Unfolds, decodes every encoded word, drops blanks between two of them (§6.2), and replaces other octets that are
// not UTF-8. Line ends and NUL that come out of an encoded word become blanks.
[[nodiscard]] std::string decode_text(std::string_view value);

// `utf8` for an unstructured field: as it is when it is ASCII that cannot be taken for an encoded word, else in
// encoded words of at most 75 characters with a blank between.
[[nodiscard]] std::string encode_text(std::string_view utf8);
// The same for a display name: quoted when ASCII needs it.
[[nodiscard]] std::string encode_phrase(std::string_view utf8);

}  // namespace keystonemail::mime
