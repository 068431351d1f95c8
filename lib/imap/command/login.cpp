// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "base/try.hpp"
#include "imap/command/parse.hpp"

namespace keystonemail::imap {

// RFC 9051 §9: login = "LOGIN" SP userid SP password
Parsed<CommandVariant> parse_login(Cursor& cursor, NumberKind) {
  Login login;
  KM_CHECK(cursor.space());
  KM_TRY(login.user, cursor.astring());
  KM_CHECK(cursor.space());
  KM_TRY(login.password, cursor.astring());
  return login;
}

}  // namespace keystonemail::imap
