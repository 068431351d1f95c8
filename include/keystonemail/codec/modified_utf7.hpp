// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Modified UTF-7, the form of mailbox names in IMAP4rev1 (RFC 3501 §5.1.3, on RFC 2152).
//
// Ownership: results are values. Threads: pure functions. Limits: time and memory linear in the input.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace keystonemail::codec {

// Nothing when `utf8` is not UTF-8.
[[nodiscard]] std::optional<std::string> encode_modified_utf7(std::string_view utf8);
// Nothing unless `text` is exactly what the encoder gives for some UTF-8, so that a name has one form only.
[[nodiscard]] std::optional<std::string> decode_modified_utf7(std::string_view text);

}  // namespace keystonemail::codec
