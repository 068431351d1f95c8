// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What LMDB and the operating system say, as an Error.
#pragma once

#include <string_view>

#include "keystonemail/base/result.hpp"

namespace keystonemail::lmdb {

// `code` is LMDB's or an errno; `what` names the step for the log.
[[nodiscard]] Error to_error(int code, std::string_view what);
[[nodiscard]] inline std::unexpected<Error> failed(int code, std::string_view what) {
  return std::unexpected(to_error(code, what));
}
// Whether storage had no room, as opposed to having failed.
[[nodiscard]] bool is_no_room(int code) noexcept;

}  // namespace keystonemail::lmdb
