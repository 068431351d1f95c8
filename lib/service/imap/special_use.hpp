// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Special uses (RFC 6154, RFC 8457) and mailbox ids (RFC 8474) between the store's types and the engine's.
#pragma once

#include <optional>
#include <string>

#include "keystonemail/mailstore/mailstore.hpp"
#include "service/imap/engine.hpp"

namespace keystonemail::service::imap {

[[nodiscard]] std::optional<engine::SpecialUse> special_use_of(mailstore::Role role) noexcept;
[[nodiscard]] mailstore::Role role_of(engine::SpecialUse use) noexcept;

// objectid (RFC 8474 §7): a letter for the kind, then the number. Unique within the account.
[[nodiscard]] std::string object_id(mailstore::MailboxId id);
[[nodiscard]] std::string object_id(mailstore::EmailId id);
[[nodiscard]] std::string object_id(mailstore::ThreadId id);
// The number of an id of that kind; nothing for what we never gave out.
[[nodiscard]] std::optional<std::uint64_t> parse_object_id(std::string_view id, char kind) noexcept;

inline constexpr char email_id_kind = 'M', thread_id_kind = 'T', mailbox_id_kind = 'F';

}  // namespace keystonemail::service::imap
