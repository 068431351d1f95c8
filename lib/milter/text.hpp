// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What a filter writes, made fit for a header, an envelope or a reply: nothing of it can be more than it says (attack A2).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "keystonemail/milter/client_event.hpp"

namespace keystonemail::milter {

// RFC 5322 §2.2: printable ASCII but for the colon.
[[nodiscard]] bool is_field_name(std::string_view name) noexcept;
// Line ends of any kind become folds, those before nothing go, controls become blanks.
[[nodiscard]] std::string field_value(std::string_view raw);
// The value of a field as filters know it: LF in its folds, no NUL.
[[nodiscard]] std::string value_for_filter(std::string_view value, bool keep_leading_space);
// Without brackets and controls; nothing when it has controls or is too long.
[[nodiscard]] std::optional<std::string> address(std::string_view raw);
[[nodiscard]] std::string printable(std::string_view raw, std::size_t octets_max);
// "550 5.7.1 text", in several lines if so. Nothing when it is no refusal.
[[nodiscard]] std::optional<Answer> parse_reply(std::string_view raw);

}  // namespace keystonemail::milter
