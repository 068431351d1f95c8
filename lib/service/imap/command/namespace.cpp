// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// NAMESPACE (RFC 2342, RFC 9051 §6.3.10): one personal namespace without prefix.
#include "keystonemail/mailstore/mailstore.hpp"
#include "service/imap/command/commands.hpp"
#include "service/imap/session.hpp"

namespace keystonemail::service::imap {

Task<Reply> execute(Session& session, engine::Namespace) {
  session.out().personal_namespace("", mailstore::limits::hierarchy_separator);
  co_return ok("NAMESPACE completed");
}

}  // namespace keystonemail::service::imap
