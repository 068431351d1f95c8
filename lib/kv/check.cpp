// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "kv/check.hpp"

#include "keystonemail/kv/kv.hpp"

namespace keystonemail::kv {

Result<void> check_row(std::string_view key, std::string_view value) {
  if (key.empty()) return fail(ErrorKind::invalid, {}, "kv: empty key");
  if (key.size() > limits::key_octets_max) return fail(ErrorKind::too_large, {}, "kv: key too long");
  if (value.size() > limits::value_octets_max) return fail(ErrorKind::too_large, {}, "kv: value too long");
  return {};
}

}  // namespace keystonemail::kv
