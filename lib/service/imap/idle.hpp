// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Idle: what a session needs while IDLE lasts (RFC 9051 §6.3.13).
#pragma once

#include <memory>
#include <stop_token>

#include "keystonemail/mailstore/mailstore.hpp"

namespace keystonemail::service::imap {

struct Idle {
  bool changed = true;                               // something may have happened since the client was last told
  std::stop_source wake;                             // ends the read that waits for DONE
  std::unique_ptr<mailstore::Subscription> subscription;
};

}  // namespace keystonemail::service::imap
