// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Features: what a client has enabled (RFC 5161), which changes the syntax of both directions.
#pragma once

namespace keystonemail::imap {

struct Features {
  bool imap4rev2 = false;
  bool utf8_accept = false;   // RFC 6855
  bool condstore = false;     // by ENABLE or by any CONDSTORE-enabling command (RFC 7162 §3.1)
  bool qresync = false;

  [[nodiscard]] bool utf8() const noexcept { return imap4rev2 || utf8_accept; }
};

}  // namespace keystonemail::imap
