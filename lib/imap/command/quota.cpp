// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "base/try.hpp"
#include "imap/command/parse.hpp"

namespace keystonemail::imap {

// RFC 9208 §7: getquota = "GETQUOTA" SP quota-root-name
Parsed<CommandVariant> parse_get_quota(Cursor& cursor, NumberKind) {
  KM_CHECK(cursor.space());
  KM_TRY(auto root, cursor.astring());
  return GetQuota{std::move(root)};
}

// getquotaroot = "GETQUOTAROOT" SP mailbox
Parsed<CommandVariant> parse_get_quota_root(Cursor& cursor, NumberKind) {
  KM_CHECK(cursor.space());
  KM_TRY(auto mailbox, cursor.mailbox());
  return GetQuotaRoot{std::move(mailbox)};
}

}  // namespace keystonemail::imap
