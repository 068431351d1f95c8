// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What parse_proxy_header says of a prefix never contradicts what it says of the whole.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "keystonemail/transport/proxy_header.hpp"

using namespace keystonemail::transport;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string_view octets(reinterpret_cast<const char*>(data), size);
  const auto whole = parse_proxy_header(octets);
  const auto* header = std::get_if<ProxyHeader>(&whole);
  if (header && (header->octets == 0 || header->octets > size)) __builtin_trap();
  for (std::size_t cut = 0; cut < size && cut < 300; ++cut) {
    const auto part = parse_proxy_header(octets.substr(0, cut));
    const auto* early = std::get_if<ProxyHeader>(&part);
    if (early && (!header || early->octets != header->octets)) __builtin_trap();
    if (std::holds_alternative<NotAProxyHeader>(part) && !std::holds_alternative<NotAProxyHeader>(whole)) __builtin_trap();
  }
  return 0;
}
