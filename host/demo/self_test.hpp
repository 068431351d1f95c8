// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#pragma once

#include "demo/demo.hpp"
#include "demo/printer.hpp"
#include "keystonemail/base/random.hpp"
#include "keystonemail/transport/listener.hpp"

namespace keystonemail::host::demo {

// Sends a message with an attachment from Alice to Bob, who waits for it in IDLE, and compares what arrives octet for
// octet. Prints each step. True when all went well.
[[nodiscard]] Task<bool> self_test(const Scene& scene, transport::Connector& connector, Random& random, Printer& printer,
                                   Context context);

}  // namespace keystonemail::host::demo
