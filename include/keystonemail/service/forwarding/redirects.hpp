// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Redirects: which messages went on lately to which addresses, because a user here wanted so. What comes round again is not
// passed on a second time (attack E2).
//
// Rows of the table: 'r', the hour since 1970 (32 bits, big-endian) and 16 octets of the SHA-256 of message id and address: a
// version octet, the time as milliseconds since 1970. 'n': how many of those there are.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/kv/kv.hpp"

namespace keystonemail::forwarding {

namespace limits {
inline constexpr std::chrono::hours redirect_remembered{12};
inline constexpr std::uint64_t redirects_max = 500'000;       // rows of some 60 octets; the oldest go first
}  // namespace limits

// Threads: any. Ownership: borrows the store. Errors: those of the store.
class Redirects {
 public:
  static constexpr std::string_view table_name = "redirects";

  Redirects(kv::Store& store, kv::Table table, std::uint64_t rows_max = limits::redirects_max)
      : store_(store), table_(table), rows_max_(rows_max) {}

  // What stands for this message on its way to `address` (any case). Empty: it has no message id, and cannot be told from others.
  [[nodiscard]] static std::string name(std::string_view message_id, std::string_view address);

  // Whether it went there within the time that is remembered.
  [[nodiscard]] Task<Result<bool>> knows(std::string name, Context context) const;
  // Remembers what has these names; to be written in the commit that queues it. Errors: conflict (one of them was
  // written meanwhile). Old rows go at the same time. Ownership: borrows this.
  [[nodiscard]] kv::Operation remember(std::vector<std::string> names, WallTime now) const;

 private:
  [[nodiscard]] Task<Result<void>> write(kv::Transaction& transaction, const std::vector<std::string>& names, WallTime now) const;

  kv::Store& store_;
  kv::Table table_;
  std::uint64_t rows_max_;
};

}  // namespace keystonemail::forwarding
