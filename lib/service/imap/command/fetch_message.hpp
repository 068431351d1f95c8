// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The items of FETCH that need the message itself: BODY[...] and BINARY[...] (RFC 9051 §6.4.5, RFC 3516).
#pragma once

#include <cstdint>
#include <span>

#include "keystonemail/base/task.hpp"
#include "keystonemail/mime/summary.hpp"
#include "service/imap/engine.hpp"
#include "service/imap/message_source.hpp"

namespace keystonemail::service::imap {

class Session;

enum class SectionOutcome : std::uint8_t {
  written,
  unknown_encoding,   // NIL was written; the command ends with UNKNOWN-CTE
  failed,             // the message could not be read, the connection has been given up or NIL was written
};

enum class Nul : std::uint8_t { none, possible };   // among the message's octets

// Writes one item, in steps of bounded size, each waiting for the peer where much is pending.
[[nodiscard]] Task<SectionOutcome> write_section(Session& session, MessageSource& source,
                                                 std::span<const mime::SummaryPart> parts, const engine::FetchItem& item, Nul nul);

}  // namespace keystonemail::service::imap
