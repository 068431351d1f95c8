// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Writing a signature field: DKIM-Signature and ARC-Message-Signature alike. Private to lib/mailauth.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/result.hpp"
#include "keystonemail/mailauth/dkim/signature.hpp"
#include "keystonemail/mailauth/dkim/signer.hpp"
#include "mailauth/folded_field.hpp"
#include "mailauth/header_fields.hpp"

namespace keystonemail::mailauth::dkim {

// "rsa-sha256".
[[nodiscard]] std::string_view algorithm_name(crypto::KeyType type) noexcept;
// RSA or Ed25519 of fit size, and names that can be looked up. Errors: invalid.
[[nodiscard]] Result<void> check_key(const SigningKey& key);
// A-labels in lower case, which every verifier understands (RFC 8616 §5). REQUIRES: check_key().
[[nodiscard]] std::string ascii_name(std::string_view name);

// Whether fields can be put on top of this header: not when it begins with what would become the end of the last of them.
// Errors: invalid.
[[nodiscard]] Result<void> check_top(std::string_view header);

// The names of h= for this header.
[[nodiscard]] std::vector<std::string> names_to_sign(const HeaderFields& fields, std::span<const SignedField> rules);

// The field `name` for what `draft` says, with its line end. `first_tag` is "v=1" or, for ARC, "i=1". Errors: internal.
[[nodiscard]] Result<std::string> write_signature(std::string_view name, std::string_view first_tag, const Signature& draft,
                                                  const HeaderFields& fields, const crypto::PrivateKey& key);

// A field of that text alone; what `text` is must outlive it. REQUIRES: it is one.
[[nodiscard]] mime::Field field_of(std::string_view text);

}  // namespace keystonemail::mailauth::dkim
