// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// TicketKeys: what session tickets (RFC 5077, RFC 8446 §4.6.1) are sealed with. Private to lib/tls.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <optional>

#include "keystonemail/base/time.hpp"

namespace keystonemail::tls {

struct TicketKey {
  std::array<std::uint8_t, 16> name;
  std::array<std::uint8_t, 32> cipher;
  std::array<std::uint8_t, 32> mac;

  TicketKey();   // random
  ~TicketKey();  // wiped
  TicketKey(const TicketKey&) = default;
  TicketKey& operator=(const TicketKey&) = default;
};

// The key in use and the one before it. A third replaces the older: tickets live no longer than two lifetimes.
//
// Threads: any.
class TicketKeys {
 public:
  // Makes a new key when the one in use has served its time.
  void rotate(WallTime now);
  [[nodiscard]] TicketKey current() const;
  struct Found {
    TicketKey key;
    bool is_current;
  };
  [[nodiscard]] std::optional<Found> find(const std::uint8_t* name) const;

 private:
  mutable std::mutex mutex_;
  TicketKey current_;
  std::optional<TicketKey> previous_;
  std::optional<WallTime> since_;
};

}  // namespace keystonemail::tls
