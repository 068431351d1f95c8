// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The parameters of a Content-Type or Content-Disposition, read once for everybody (RFC 2231; attack C3).
#pragma once

#include <string>
#include <string_view>

#include "keystonemail/mime/content_type.hpp"
#include "mime/scanner.hpp"

namespace keystonemail::mime {

// Reads *(";" parameter) to the end. `ambiguous` is set when a reader with other habits could see something else.
[[nodiscard]] Parameters read_parameters(Scanner& scanner, bool& ambiguous);

// What a parameter's value says, as UTF-8 in one line.
[[nodiscard]] std::string decode_parameter(std::string_view value, bool extended);

}  // namespace keystonemail::mime
