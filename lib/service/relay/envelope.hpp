// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// From a queue entry to the envelope that a server is told.
#pragma once

#include <span>
#include <string_view>

#include "keystonemail/queue/queue.hpp"
#include "keystonemail/smtp/client_event.hpp"

namespace keystonemail::relay {

// An address as a path, its domain in A-labels: what a server without SMTPUTF8 can be told, if anything can.
[[nodiscard]] smtp::Path to_path(std::string_view address);
// For those of the entry's recipients, when it is `now`.
[[nodiscard]] smtp::ClientEnvelope envelope_for(const queue::Entry& entry, std::span<const std::size_t> recipients, WallTime now);

}  // namespace keystonemail::relay
