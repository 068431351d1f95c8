// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// From the keys a client gave to a program that is asked of messages.
#pragma once

#include <expected>
#include <span>
#include <string>

#include "service/imap/engine.hpp"
#include "service/imap/mailbox_view.hpp"
#include "service/imap/reply.hpp"
#include "service/imap/search_program.hpp"

namespace keystonemail::service::imap {

// `keyword_names` are the account's. The error is a BAD or NO.
[[nodiscard]] std::expected<SearchProgram, Reply> compile_search(const engine::SearchProgram& program,
                                                                 const MailboxView& view,
                                                                 std::span<const std::string> keyword_names);

}  // namespace keystonemail::service::imap
