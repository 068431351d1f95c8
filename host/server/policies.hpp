// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The policies of a running server, as its configuration has them.
#pragma once

#include <memory>

#include "config/config.hpp"
#include "keystonemail/policy/chain.hpp"
#include "keystonemail/resolver/resolver.hpp"
#include "keystonemail/service/milter/connections.hpp"
#include "server/inbound.hpp"
#include "server/stores.hpp"

namespace keystonemail::host {

// Ownership: borrows all it is given; `reports` may be null. Threads: as policy::Chain.
[[nodiscard]] std::shared_ptr<const policy::Chain> make_policies(const Config& config, resolver::Resolver& resolver, Stores& stores,
                                                                 milter::Connections& filters, reporting::Reporting* reports, Inbound& inbound);

}  // namespace keystonemail::host
