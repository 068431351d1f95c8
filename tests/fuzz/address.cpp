// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// An address has one canonical form, which parses to itself; a header's address list stays within its limits.
#include <cstddef>
#include <cstdint>
#include <string>

#include "keystonemail/base/text.hpp"
#include "keystonemail/mime/address_list.hpp"
#include "keystonemail/mime/limits.hpp"

using namespace keystonemail;
using namespace keystonemail::mime;

namespace {

void require(bool claim) {
  if (!claim) __builtin_trap();
}

void check(const Address& address) {
  const auto again = Address::parse(address.to_string());
  require(again && *again == address);
  require(address.to_string().find_first_of(std::string_view("\r\n\0", 3)) == std::string::npos);
  require(is_utf8(address.to_string()) && is_ascii(address.domain()));
  require(Address::parse(address.key())->key() == address.key());
  require(!address.to_display().empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  if (const auto address = Address::parse(text)) check(*address);
  const auto list = parse_address_list(text);
  require(list.size() <= limits::addresses_max + 1);
  std::size_t depth = 0;
  for (const ListedAddress& entry : list) {
    if (entry.kind == AddressKind::group_begin) require(depth++ == 0);
    if (entry.kind == AddressKind::group_end) require(depth-- == 1);
    require(entry.name.size() + entry.route.size() + entry.local_part.size() + entry.domain.size() <= 2 * size);
    require(is_utf8(entry.display_name()));
    if (const auto address = entry.address()) check(*address);
  }
  require(depth == 0);
  return 0;
}
