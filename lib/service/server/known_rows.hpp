// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// KnownRows: the networks that accounts logged in from, one row each, so that who is attacked after a restart is still let in
// where he was before.
//
// Key: the login. Value: a version octet, their number, the addresses as text with their lengths.
#pragma once

#include <string_view>
#include <vector>

#include "keystonemail/kv/kv.hpp"
#include "keystonemail/service/access/login_gate.hpp"

namespace keystonemail {

// Threads: any. Ownership: borrows the store. Errors: those of the store.
class KnownRows {
 public:
  static constexpr std::string_view table_name = "known_networks";
  using Known = access::LoginGate::Known;

  KnownRows(kv::Store& store, kv::Table table) : store_(store), table_(table) {}

  // As many as `rows_max`; what cannot be read is left out.
  [[nodiscard]] Task<Result<std::vector<Known>>> load(std::size_t rows_max, Context context);
  [[nodiscard]] Task<Result<void>> put(const Known& known, Context context);

 private:
  kv::Store& store_;
  kv::Table table_;
};

}  // namespace keystonemail
