// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Other transfer encodings for the parts of a message (RFC 2045 §6), where what follows cannot take those they have. Signatures
// over what changes do not survive it.
//
// Errors: none. Limits: linear time; those of mime::Message for nesting.
#pragma once

#include <string>
#include <string_view>

namespace keystonemail::mime {

// For servers without 8BITMIME (RFC 6152 §3): every body of 8-bit or binary octets in quoted-printable (text) or base64 (anything
// else). 8-bit octets of headers stay as they are.
[[nodiscard]] std::string to_seven_bit(std::string_view raw);

// For IMAP, whose text has no NUL (RFC 3516 §6, RFC 9051 §4.3.1): every body with NUL that is not encoded in base64, and all else as
// it is. NUL stays where no encoding can be: in headers, around parts, in what is encoded already.
[[nodiscard]] std::string encode_nul(std::string_view raw);

}  // namespace keystonemail::mime
