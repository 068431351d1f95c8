// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Every command, the states it is legal in (RFC 9051 §6), and who reads its arguments.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "imap/command/parse.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/imap/server_options.hpp"
#include "keystonemail/imap/server_session.hpp"

namespace keystonemail::imap {

enum class Verb : std::uint8_t {
  plain,  // parsed and handed on
  login, select, unselect, compress,                                        // handed on, and their end moves the state
  capability, logout, starttls, authenticate, append, idle, enable,         // the session's own
};

enum class Offer : std::uint8_t { always, with_compress, with_sort, with_quota };

struct VerbEntry {
  std::string_view name;
  std::uint8_t states;             // bit of each SessionState
  Verb verb = Verb::plain;
  ParseCommand parse = nullptr;
  Offer offer = Offer::always;
};

inline constexpr std::uint8_t in_not_authenticated = 1, in_selected = 4, once_authenticated = 2 | 4, in_any = 7;

inline constexpr std::array verbs{
    VerbEntry{"FETCH", in_selected, Verb::plain, parse_fetch},
    VerbEntry{"STORE", in_selected, Verb::plain, parse_store},
    VerbEntry{"SEARCH", in_selected, Verb::plain, parse_search},
    VerbEntry{"COPY", in_selected, Verb::plain, parse_copy},
    VerbEntry{"MOVE", in_selected, Verb::plain, parse_move},
    VerbEntry{"EXPUNGE", in_selected, Verb::plain, parse_expunge},
    VerbEntry{"NOOP", in_any, Verb::plain, parse_noop},
    VerbEntry{"IDLE", once_authenticated, Verb::idle},
    VerbEntry{"SELECT", once_authenticated, Verb::select, parse_select},
    VerbEntry{"EXAMINE", once_authenticated, Verb::select, parse_examine},
    VerbEntry{"STATUS", once_authenticated, Verb::plain, parse_status},
    VerbEntry{"LIST", once_authenticated, Verb::plain, parse_list},
    VerbEntry{"LSUB", once_authenticated, Verb::plain, parse_lsub},
    VerbEntry{"APPEND", once_authenticated, Verb::append},
    VerbEntry{"CREATE", once_authenticated, Verb::plain, parse_create},
    VerbEntry{"DELETE", once_authenticated, Verb::plain, parse_delete},
    VerbEntry{"RENAME", once_authenticated, Verb::plain, parse_rename},
    VerbEntry{"SUBSCRIBE", once_authenticated, Verb::plain, parse_subscribe},
    VerbEntry{"UNSUBSCRIBE", once_authenticated, Verb::plain, parse_unsubscribe},
    VerbEntry{"NAMESPACE", once_authenticated, Verb::plain, parse_namespace},
    VerbEntry{"ENABLE", once_authenticated, Verb::enable},
    VerbEntry{"CLOSE", in_selected, Verb::unselect, parse_close},
    VerbEntry{"UNSELECT", in_selected, Verb::unselect, parse_unselect},
    VerbEntry{"CHECK", in_selected, Verb::plain, parse_check},
    VerbEntry{"ID", in_any, Verb::plain, parse_id},
    VerbEntry{"CAPABILITY", in_any, Verb::capability},
    VerbEntry{"LOGOUT", in_any, Verb::logout},
    VerbEntry{"LOGIN", in_not_authenticated, Verb::login, parse_login},
    VerbEntry{"AUTHENTICATE", in_not_authenticated, Verb::authenticate},
    VerbEntry{"STARTTLS", in_not_authenticated, Verb::starttls},
    VerbEntry{"COMPRESS", once_authenticated, Verb::compress, parse_compress, Offer::with_compress},
    VerbEntry{"SORT", in_selected, Verb::plain, parse_sort, Offer::with_sort},
    VerbEntry{"THREAD", in_selected, Verb::plain, parse_thread, Offer::with_sort},
    VerbEntry{"GETQUOTA", once_authenticated, Verb::plain, parse_get_quota, Offer::with_quota},
    VerbEntry{"GETQUOTAROOT", once_authenticated, Verb::plain, parse_get_quota_root, Offer::with_quota}};

// After "UID" (RFC 9051 §6.4.9, RFC 4315, RFC 5256).
inline constexpr std::array<std::string_view, 8> uid_verbs{"FETCH", "STORE",   "SEARCH", "COPY",
                                                           "MOVE",  "EXPUNGE", "SORT",   "THREAD"};

[[nodiscard]] constexpr bool is_legal(const VerbEntry& entry, SessionState state) noexcept {
  return (entry.states >> static_cast<unsigned>(state) & 1) != 0;
}

[[nodiscard]] inline const VerbEntry* find_verb(std::string_view name, const ServerOptions& options) noexcept {
  for (const auto& entry : verbs) {
    if (!iequals(entry.name, name)) continue;
    if ((entry.offer == Offer::with_compress && !options.compress) || (entry.offer == Offer::with_sort && !options.sort) ||
        (entry.offer == Offer::with_quota && !options.quota)) {
      return nullptr;
    }
    return &entry;
  }
  return nullptr;
}

}  // namespace keystonemail::imap
