// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
#include "crypto/base64.hpp"

#include <openssl/base64.h>

#include <cassert>

#include "crypto/boringssl.hpp"

namespace keystonemail::crypto {

std::string to_base64(std::string_view data, Padding padding) {
  std::string text((data.size() + 2) / 3 * 4 + 1, '\0');  // and its NUL
  text.resize(EVP_EncodeBlock(octets(text), octets(data), data.size()));
  if (padding == Padding::without) {
    while (text.ends_with('=')) text.pop_back();
  }
  return text;
}

std::optional<std::string> from_base64(std::string_view text, Padding padding) {
  std::string padded(text);
  if (padding == Padding::without) {
    if (text.ends_with('=')) return std::nullopt;
    padded.resize((text.size() + 3) / 4 * 4, '=');
  }
  std::string data(padded.size() / 4 * 3, '\0');
  std::size_t size = 0;
  if (EVP_DecodeBase64(octets(data), &size, data.size(), octets(padded), padded.size()) != 1) return std::nullopt;
  data.resize(size);
  // One text for one value: no stray bits in the last group.
  if (to_base64(data, padding) != text) return std::nullopt;
  return data;
}

}  // namespace keystonemail::crypto
