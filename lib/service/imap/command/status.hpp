// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What STATUS says of a mailbox, for STATUS and for LIST RETURN (STATUS).
#pragma once

#include "keystonemail/base/result.hpp"
#include "keystonemail/base/task.hpp"
#include "keystonemail/mailstore/mailstore.hpp"
#include "service/imap/engine.hpp"

namespace keystonemail::service::imap {

class Session;

// Errors: those of the store; then nothing was written.
[[nodiscard]] Task<Result<void>> write_status(Session& session, const mailstore::Mailbox& mailbox, engine::StatusItems items);

}  // namespace keystonemail::service::imap
