// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#pragma once

#include <string_view>

#include "keystonemail/dns/name.hpp"

namespace keystonemail {

inline dns::Name name(std::string_view text) { return dns::Name::parse(text).value(); }

}  // namespace keystonemail
