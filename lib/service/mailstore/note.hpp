// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Notes: what the index knows of an email, once more, as a blob of the email's own that lies outside of the index. Where the
// index is lost, a look through the files gives mail back by them. FORMAT.md has the octets.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "keystonemail/mailstore/mailstore.hpp"
#include "service/mailstore/content.hpp"

namespace keystonemail::service {

// Where a message came to lie, and when.
struct Whereabouts {
  mailstore::AccountId account{};
  std::string mailbox;         // path
  std::int64_t received = 0;   // milliseconds since 1970
};

struct Note {
  Whereabouts where;
  Content content;             // without the note itself
};

inline constexpr std::size_t note_octets_max = std::size_t{1} << 20;

[[nodiscard]] std::string encode_note(const Whereabouts& where, const Content& content);
// Whether octets begin as a note does; eight of them tell.
[[nodiscard]] bool looks_like_note(std::string_view octets) noexcept;
// Errors: corrupt.
[[nodiscard]] Result<Note> decode_note(std::string_view octets);

}  // namespace keystonemail::service
