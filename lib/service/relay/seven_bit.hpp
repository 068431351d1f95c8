// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// From 8-bit to 7-bit MIME, for servers without 8BITMIME (RFC 6152 §3, RFC 2045 §6).
#pragma once

#include <string>
#include <string_view>

namespace keystonemail::relay {

// The same message, every body of 8-bit or binary octets in quoted-printable (text) or base64 (anything else).
// 8-bit octets of headers stay as they are. Signatures over what changes do not survive it.
// Errors: none. Limits: linear time; those of mime::Message for nesting.
[[nodiscard]] std::string to_seven_bit(std::string_view raw);

}  // namespace keystonemail::relay
