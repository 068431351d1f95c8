// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/mailstore/mailbox_cache.hpp"

namespace keystonemail::service {

std::size_t MailboxListing::octets() const noexcept {
  std::size_t sum = sizeof *this + rows.capacity() * sizeof(mailstore::MessageRow);
  for (const auto& row : rows) sum += row.keywords.numbers().capacity() * sizeof(mailstore::KeywordNumber);
  return sum;
}

std::size_t MailboxPaths::octets() const noexcept {
  std::size_t sum = sizeof *this + paths.capacity() * sizeof paths.front();
  for (const auto& [path, id] : paths) sum += path.capacity();
  return sum;
}

}  // namespace keystonemail::service
