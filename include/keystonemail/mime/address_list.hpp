// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The addresses of a header field (RFC 5322 §3.4, obsolete forms of §4.4, RFC 6532, RFC 6854), read as they occur in
// the wild. What they say is for display and reply; mail is routed by Address alone.
//
// Ownership: values. Threads: pure functions. Errors: none; what makes no sense becomes the name of an entry
// without address. Limits: limits::addresses_max entries, limits::comment_depth_max; linear time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/mime/address.hpp"

namespace keystonemail::mime {

enum class AddressKind : std::uint8_t { mailbox, group_begin, group_end };

// One entry of the flat list IMAP uses: a group is its members between group_begin (named by `name`) and group_end.
struct ListedAddress {
  AddressKind kind = AddressKind::mailbox;
  std::string name;        // quoting removed, encoded words as they stand; a trailing comment when nothing else
  std::string route;       // obsolete source route, "@a,@b"
  std::string local_part;  // quoting removed, never decoded
  std::string domain;      // as written, comments and blanks removed; empty when there is none

  // The name as people should see it: encoded words decoded.
  [[nodiscard]] std::string display_name() const;
  // For use as an envelope address; nothing when it is not one.
  [[nodiscard]] std::optional<Address> address() const;
};

[[nodiscard]] std::vector<ListedAddress> parse_address_list(std::string_view value);

}  // namespace keystonemail::mime
