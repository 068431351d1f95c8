// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// BanRows: bans of networks, one row each, so that they outlive a restart.
//
// Key: the network as text ("192.0.2.0/24"). Value: a version octet, the end of the ban as milliseconds since 1970, how
// many the network has had.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/kv/kv.hpp"
#include "keystonemail/service/access/login_gate.hpp"

namespace keystonemail {

// Threads: any. Ownership: borrows the store. Errors: those of the store.
class BanRows {
 public:
  static constexpr std::string_view table_name = "bans";
  // A ban that has ended is remembered for so long, as the next one is longer for it.
  static constexpr auto remembered = std::chrono::hours(24 * 7);

  using Ban = access::LoginGate::Ban;

  BanRows(kv::Store& store, kv::Table table) : store_(store), table_(table) {}

  // All that are in force or remembered; the others are removed, and so are rows that cannot be read.
  [[nodiscard]] Task<Result<std::vector<Ban>>> load(WallTime now, Context context);
  [[nodiscard]] Task<Result<void>> put(const std::vector<Ban>& bans, Context context);
  [[nodiscard]] Task<Result<void>> erase(const std::vector<IpNetwork>& networks, Context context);

 private:
  kv::Store& store_;
  kv::Table table_;
};

[[nodiscard]] std::string encode_ban(const access::LoginGate::Ban& ban);
[[nodiscard]] std::optional<access::LoginGate::Ban> decode_ban(std::string_view key, std::string_view value);

}  // namespace keystonemail
