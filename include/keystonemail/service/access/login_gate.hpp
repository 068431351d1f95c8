// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// LoginGate: slows and stops password guessing, without giving an attacker a way to lock others out.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/time.hpp"

namespace keystonemail::access {

struct LoginGateOptions {
  std::size_t failures_per_minute_max = 10;     // of one IPv4 address or IPv6 /64; three times as many for /26 or
  std::size_t failures_per_day_max = 50;        //   /48, nine times for /21 or /32
  std::size_t account_failures_per_day_max = 100;  // then its owner's password is good only from where it was good before
  std::chrono::seconds ban_first = std::chrono::hours(1);  // doubles with each further ban
  std::chrono::seconds ban_longest = std::chrono::hours(24);
  std::vector<IpNetwork> trusted;               // never delayed, counted or banned
  std::size_t entries_max = 65'536;             // of each kind; the stalest are forgotten
};

// Counts failures by network and by account. A ban is always of a network, never of an account: guessing at
// somebody's password from elsewhere costs its owner nothing but this: while it lasts, new addresses need an app password, which
// nobody guesses, or a certificate.
//
// Threads: any. Limits: entries_max of each kind, about 100 octets each.
class LoginGate {
 public:
  struct Verdict {
    bool refused = false;                    // do not check the password at all; answer as for a wrong one
    bool guessable_refused = false;          // a password that people choose is answered as a wrong one, even when it is right
    std::chrono::milliseconds delay{0};      // wait so long before answering
    std::string reason;                      // for the log
  };
  struct Ban {
    IpNetwork network;
    WallTime until;
    std::uint32_t count = 0;                 // how many it has had
  };

  // The networks that an account logged in from, newest first.
  struct Known {
    std::string login;
    std::vector<IpAddress> networks;
  };

  explicit LoginGate(LoginGateOptions options) : options_(std::move(options)) {}

  // Before a password or proof is checked.
  [[nodiscard]] Verdict before(const IpAddress& peer, std::string_view login, WallTime now);
  // Returns the bans that this failure was one too many for.
  std::vector<Ban> failed(const IpAddress& peer, std::string_view login, WallTime now);
  // Returns the account's networks when this is a new one among them.
  std::optional<Known> succeeded(const IpAddress& peer, std::string_view login, WallTime now);

  // Whether a new connection from `peer` is to be turned away.
  [[nodiscard]] bool is_banned(const IpAddress& peer, WallTime now) const;
  [[nodiscard]] std::vector<Ban> bans(WallTime now) const;
  // Lifts every ban that covers `peer` and forgets its failures. Returns the networks that had one.
  std::vector<IpNetwork> unban(const IpAddress& peer);
  // Puts back bans that were kept over a restart.
  void restore(const std::vector<Ban>& bans);
  // The same of what succeeded() returned.
  void restore(const std::vector<Known>& known);
  void set_trusted(std::vector<IpNetwork> trusted);

 private:
  struct Counter {
    std::uint32_t minute = 0, day = 0;
    WallTime minute_start{}, day_start{};
    std::uint32_t bans = 0;
    WallTime banned_until{};
  };
  struct AccountCounter {
    std::uint32_t day = 0;
    WallTime day_start{};
    std::array<IpAddress, 8> known{};        // networks it has logged in from, newest first
    std::size_t known_count = 0;
  };
  [[nodiscard]] bool is_trusted(const IpAddress& peer) const noexcept;  // REQUIRES: mutex_
  void make_room(WallTime now);

  mutable std::mutex mutex_;                             // guards all below
  LoginGateOptions options_;
  std::map<std::pair<IpAddress, unsigned>, Counter> networks_;  // by masked address and prefix length
  std::map<std::string, AccountCounter, std::less<>> accounts_;
};

}  // namespace keystonemail::access
