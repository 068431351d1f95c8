// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What policies want changed in a header, made. A field that could be read as more than one field is left out.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "keystonemail/policy/decision.hpp"

namespace keystonemail::reception {

// The fields to be put on top, the first of them topmost, as lines that end in CRLF.
[[nodiscard]] std::string added_on_top(std::span<const policy::Edit> edits);
// Whether anything but fields on top is asked for.
[[nodiscard]] bool rewrites_header(std::span<const policy::Edit> edits) noexcept;
// `header`, its empty line included where there is one, without the fields to be removed and with those for its bottom.
// Occurrences count in the header as it came.
[[nodiscard]] std::string rewritten_header(std::string_view header, std::span<const policy::Edit> edits);

}  // namespace keystonemail::reception
