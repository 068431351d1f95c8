// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// COMPRESS (RFC 4978). TLS here never compresses, so nothing is compressed twice.
#include "service/imap/command/commands.hpp"
#include "service/imap/session.hpp"

namespace keystonemail::service::imap {

Task<Reply> execute(Session& session, engine::Compress) {
  if (session.compressing()) co_return no(engine::Code::compression_active, "DEFLATE is active already");
  session.compress_from_here();
  co_return ok("DEFLATE active");
}

}  // namespace keystonemail::service::imap
