// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/imap/reply.hpp"

namespace keystonemail::service::imap {

Reply reply_for(const Error& error) {
  using engine::Code;
  switch (error.kind()) {
    case ErrorKind::invalid: return no(Code::cannot, "Not possible with such a name or value");
    case ErrorKind::denied: return no(Code::cannot, "Not possible with this mailbox");
    case ErrorKind::not_found: return no(Code::nonexistent, "No such mailbox");
    case ErrorKind::conflict: return no(Code::already_exists, "There is one already");
    case ErrorKind::over_quota: return no(Code::over_quota, "Quota exceeded");
    case ErrorKind::too_large: return no(Code::limit, "Above a limit of this server");
    case ErrorKind::unavailable: return no(Code::unavailable, "Not possible now, try again later");
    case ErrorKind::timeout:
    case ErrorKind::cancelled: return no(Code::unavailable, "Took too long, try again later");
    case ErrorKind::corrupt: return no(Code::corruption, "The stored data is damaged");
    case ErrorKind::internal: return no(Code::server_bug, "Internal error");
  }
  return no(Code::server_bug, "Internal error");
}

}  // namespace keystonemail::service::imap
