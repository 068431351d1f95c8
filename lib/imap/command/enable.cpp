// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "base/try.hpp"
#include "imap/command/parse.hpp"
#include "keystonemail/base/text.hpp"

namespace keystonemail::imap {

// RFC 5161 §4: enable = "ENABLE" 1*(SP capability)
Parsed<EnableRequest> parse_enable(Cursor& cursor) {
  EnableRequest request;
  do {
    KM_CHECK(cursor.space());
    KM_TRY(const auto name, cursor.atom());
    if (iequals(name, "IMAP4rev2")) request.imap4rev2 = true;
    else if (iequals(name, "UTF8=ACCEPT")) request.utf8_accept = true;
    else if (iequals(name, "CONDSTORE")) request.condstore = true;
    else if (iequals(name, "QRESYNC")) request.qresync = true;
  } while (!cursor.at_end());
  return request;
}

}  // namespace keystonemail::imap
