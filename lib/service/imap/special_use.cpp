// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/imap/special_use.hpp"

#include "keystonemail/base/text.hpp"

namespace keystonemail::service::imap {

namespace {

std::string object_id(char kind, std::uint64_t number) { return kind + std::to_string(number); }

}  // namespace

std::optional<engine::SpecialUse> special_use_of(mailstore::Role role) noexcept {
  using mailstore::Role;
  switch (role) {
    case Role::none: case Role::inbox: return std::nullopt;
    case Role::archive: return engine::SpecialUse::archive;
    case Role::drafts: return engine::SpecialUse::drafts;
    case Role::sent: return engine::SpecialUse::sent;
    case Role::junk: return engine::SpecialUse::junk;
    case Role::trash: return engine::SpecialUse::trash;
    case Role::important: return engine::SpecialUse::important;
    case Role::flagged: return engine::SpecialUse::flagged;
    case Role::all: return engine::SpecialUse::all;
  }
  return std::nullopt;
}

mailstore::Role role_of(engine::SpecialUse use) noexcept {
  using mailstore::Role;
  switch (use) {
    case engine::SpecialUse::all: return Role::all;
    case engine::SpecialUse::archive: return Role::archive;
    case engine::SpecialUse::drafts: return Role::drafts;
    case engine::SpecialUse::flagged: return Role::flagged;
    case engine::SpecialUse::junk: return Role::junk;
    case engine::SpecialUse::sent: return Role::sent;
    case engine::SpecialUse::trash: return Role::trash;
    case engine::SpecialUse::important: return Role::important;
  }
  return Role::none;
}

std::string object_id(mailstore::MailboxId id) { return object_id(mailbox_id_kind, static_cast<std::uint64_t>(id)); }
std::string object_id(mailstore::EmailId id) { return object_id(email_id_kind, static_cast<std::uint64_t>(id)); }
std::string object_id(mailstore::ThreadId id) { return object_id(thread_id_kind, static_cast<std::uint64_t>(id)); }

std::optional<std::uint64_t> parse_object_id(std::string_view id, char kind) noexcept {
  if (id.empty() || id.front() != kind) return std::nullopt;
  return parse_decimal(id.substr(1));
}

}  // namespace keystonemail::service::imap
