// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The tables of the default mail store and their keys: fixed-width big-endian numbers, so that keys order as what
// they name. FORMAT.md describes them.
#pragma once

#include <array>
#include <cassert>
#include <cstdint>
#include <string_view>

#include "keystonemail/kv/kv.hpp"
#include "keystonemail/mailstore/ids.hpp"

namespace keystonemail::service {

inline constexpr std::array<std::string_view, 12> mail_table_names{
    "mail.meta",  "mail.counter",    "mail.mailbox", "mail.keyword", "mail.message", "mail.email",
    "mail.content", "mail.membership", "mail.log",     "mail.thread",  "mail.removal", "mail.subscription"};

struct MailTables {
  kv::Table meta, counter, mailbox, keyword, message, email, content, membership, log, thread, removal, subscription;

  [[nodiscard]] static constexpr MailTables from(kv::Table first) noexcept {
    const auto at = [first](unsigned n) { return static_cast<kv::Table>(static_cast<unsigned>(first) + n); };
    return {at(0), at(1), at(2), at(3), at(4), at(5), at(6), at(7), at(8), at(9), at(10), at(11)};
  }
};

// A key under construction, without allocation.
class Key {
 public:
  Key() = default;
  explicit Key(mailstore::AccountId account) noexcept { add(account); }
  template <class First, class... Rest>
  Key(mailstore::AccountId account, First first, Rest... rest) noexcept {
    add(account);
    add(first);
    (add(rest), ...);
  }

  Key& add(mailstore::AccountId id) noexcept { return add(static_cast<std::uint32_t>(id)); }
  Key& add(mailstore::MailboxId id) noexcept { return add(static_cast<std::uint32_t>(id)); }
  Key& add(mailstore::EmailId id) noexcept { return add(static_cast<std::uint64_t>(id)); }
  Key& add(std::uint16_t value) noexcept { return append(value, 2); }
  Key& add(std::uint32_t value) noexcept { return append(value, 4); }
  Key& add(std::uint64_t value) noexcept { return append(value, 8); }

  operator std::string_view() const noexcept { return {octets_.data(), size_}; }
  // The least key that is greater than all that begin with this one; empty when there is none.
  [[nodiscard]] Key after_prefix() const noexcept {
    Key next = *this;
    while (next.size_ > 0 && static_cast<std::uint8_t>(next.octets_[next.size_ - 1]) == 0xff) --next.size_;
    if (next.size_ > 0) ++next.octets_[next.size_ - 1];
    return next;
  }

 private:
  Key& append(std::uint64_t value, unsigned octets) noexcept {
    assert(size_ + octets <= octets_.size());
    while (octets-- > 0) octets_[size_++] = static_cast<char>(value >> (octets * 8));
    return *this;
  }
  std::array<char, 24> octets_;
  std::uint8_t size_ = 0;
};

// The number of `octets` octets at `at` of a key that has them.
[[nodiscard]] inline std::uint64_t key_number(std::string_view key, std::size_t at, unsigned octets) noexcept {
  if (at + octets > key.size()) return 0;
  std::uint64_t value = 0;
  for (unsigned i = 0; i < octets; ++i) value = value << 8 | static_cast<std::uint8_t>(key[at + i]);
  return value;
}

}  // namespace keystonemail::service
