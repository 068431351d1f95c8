// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Dates as HTTP writes them (RFC 9110 §5.6.7).
#pragma once

#include <string>

#include "keystonemail/base/time.hpp"

namespace keystonemail::http {

// "Sun, 06 Nov 1994 08:49:37 GMT".
[[nodiscard]] std::string format_date(WallTime time);

}  // namespace keystonemail::http
