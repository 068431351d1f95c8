// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Organizational domains by the Public Suffix List (RFC 7489 §3.2).
#pragma once

#include "keystonemail/dns/name.hpp"

namespace keystonemail::mailauth::dmarc {

// The public suffix and one label more: example.co.uk of mail.example.co.uk. A public suffix, and a name without one
// in the list, is its own (the list's rule "*" makes every top-level domain a suffix).
//
// Threads: any. It is the list that libpsl was built with: no file is read.
[[nodiscard]] dns::Name organizational_domain(const dns::Name& name);
[[nodiscard]] bool is_public_suffix(const dns::Name& name);

}  // namespace keystonemail::mailauth::dmarc
