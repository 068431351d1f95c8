// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What a mailing list puts on top of a message for its members (RFC 2919, RFC 2369).
#pragma once

#include <string>
#include <string_view>

namespace keystonemail::reception {

// Whole lines that end in CRLF: List-Id, List-Post, List-Help and List-Owner of the list at `address`. Help is given by who looks after
// it; there is nothing that would answer to List-Unsubscribe. Nothing when `header` says already which list
// this is, or when a signature of its author covers such fields: it would be broken, and DMARC with it (RFC 6376 §5.4).
[[nodiscard]] std::string list_fields(std::string_view address, std::string_view header);

// Whether a DKIM signature in `header` covers fields of that name, given in lower case.
[[nodiscard]] bool is_signed(std::string_view header, std::string_view name);

}  // namespace keystonemail::reception
