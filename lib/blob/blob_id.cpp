// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/blob/blob.hpp"

namespace keystonemail::blob {

std::string BlobId::hex() const {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  text.reserve(digest.size() * 2);
  for (const auto octet : digest) {
    text.push_back(digits[octet >> 4]);
    text.push_back(digits[octet & 15]);
  }
  return text;
}

}  // namespace keystonemail::blob
