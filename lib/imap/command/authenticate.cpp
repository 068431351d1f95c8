// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "base/try.hpp"
#include "imap/command/parse.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/base64.hpp"

namespace keystonemail::imap {

// RFC 9051 §9: authenticate = "AUTHENTICATE" SP auth-type [SP initial-resp]; "=" is an empty one (RFC 4959 §3).
Parsed<AuthenticateRequest> parse_authenticate(Cursor& cursor) {
  AuthenticateRequest request;
  KM_CHECK(cursor.space());
  KM_TRY(const auto mechanism, cursor.atom());
  request.mechanism = to_upper(mechanism);
  if (cursor.at_end()) return request;
  KM_CHECK(cursor.space());
  if (cursor.rest() == "=") {
    request.initial_response.emplace();
    return request;
  }
  request.initial_response = codec::decode_base64(cursor.rest());
  if (!request.initial_response || cursor.at_end()) return std::unexpected(Fault::bad_base64);
  return request;
}

}  // namespace keystonemail::imap
