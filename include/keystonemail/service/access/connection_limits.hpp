// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// ConnectionLimits: how many connections the server, an address and an account may hold, and how fast they come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/base/time.hpp"

namespace keystonemail::access {

struct ConnectionLimitOptions {
  std::size_t total_max = 10'000;
  std::size_t per_address_max = 30;              // an IPv6 peer counts by its /64
  std::size_t per_address_and_minute_max = 300;
  std::size_t per_account_max = 20;              // IMAP sessions of one login
  std::vector<IpNetwork> trusted;                // free of all ceilings but total_max
  std::size_t remembered_addresses_max = 65'536;  // memory bound for the rate; the oldest are forgotten
};

// Threads: any. Ownership: outlives its leases.
class ConnectionLimits {
 public:
  // A place taken; given back when destroyed.
  class Lease {
   public:
    Lease() = default;
    explicit Lease(std::function<void()> give_back) : give_back_(std::move(give_back)) {}
    Lease(Lease&& other) noexcept : give_back_(std::exchange(other.give_back_, nullptr)) {}
    Lease& operator=(Lease&& other) noexcept {
      std::swap(give_back_, other.give_back_);
      return *this;
    }
    ~Lease() {
      if (give_back_) give_back_();
    }

   private:
    std::function<void()> give_back_;
  };

  explicit ConnectionLimits(ConnectionLimitOptions options) : options_(std::move(options)) {}
  ConnectionLimits(const ConnectionLimits&) = delete;
  ConnectionLimits& operator=(const ConnectionLimits&) = delete;

  // A new connection from `peer`. Errors: unavailable, with the reason as its text.
  [[nodiscard]] Result<Lease> admit(const IpAddress& peer, Instant now);
  // A session of `login` (canonical) has been authenticated. Errors: unavailable.
  [[nodiscard]] Result<Lease> admit_login(std::string_view login, const IpAddress& peer);

  // For connections and logins to come; those there are stay.
  void set_options(ConnectionLimitOptions options);
  [[nodiscard]] bool is_trusted(const IpAddress& peer) const;
  [[nodiscard]] std::size_t connections() const;

 private:
  struct PerAddress {
    std::size_t open = 0;
    std::size_t in_window = 0;
    Instant window_start{};
  };
  [[nodiscard]] bool has_no_ceiling(const IpAddress& peer) const noexcept;  // REQUIRES: mutex_
  void forget_idle_addresses(Instant now);

  mutable std::mutex mutex_;  // guards all below
  ConnectionLimitOptions options_;
  std::size_t total_ = 0;
  std::map<IpAddress, PerAddress> addresses_;
  std::map<std::string, std::size_t, std::less<>> logins_;
};

// The network that counts as one peer: an IPv4 address, an IPv6 /64.
[[nodiscard]] IpAddress peer_network(const IpAddress& peer) noexcept;

}  // namespace keystonemail::access
