// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// policies: greylisting (RFC 6647): strangers are asked to come again, which spammers seldom do.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/kv/kv.hpp"
#include "keystonemail/policy/policy.hpp"

namespace keystonemail::policies {

struct GreylistOptions {
  std::chrono::seconds delay{300};              // how soon is too soon
  std::chrono::hours retry_within{24};          // how late is a first time again (RFC 6647 §5)
  std::chrono::hours remembered{36 * 24};       // since it was last seen
  std::uint32_t network_passes = 5;             // so many of a network's triplets, and the network is known; zero: never
  std::vector<IpNetwork> exempt = {};
};

// Defers a recipient (451 4.7.1) until the same network (IPv4 /24, IPv6 /64) comes again with the same sender and recipient.
// Those who logged in, trusted and exempt networks, and whom a DNSWL or an access rule speaks for, never wait.
//
// Threads: any. Ownership: borrows the store. Durability: keep() writes what has changed; a crash costs the changes since, and
// so a wait. Limits: triplets_max and networks_max, of about 200 octets each; those unused for longest are forgotten.
class Greylist final : public policy::Policy {
 public:
  static constexpr std::string_view table_name = "greylist";
  static constexpr std::size_t triplets_max = 65'536, networks_max = 32'768;

  // Errors: those of the store.
  [[nodiscard]] static Task<Result<std::shared_ptr<Greylist>>> open(kv::Store& store, kv::Table table, GreylistOptions options,
                                                                    Context context);
  ~Greylist() override;
  void set_options(GreylistOptions options);

  [[nodiscard]] std::string_view name() const noexcept override { return "greylist"; }
  [[nodiscard]] std::unique_ptr<policy::Inspector> inspect(const policy::Connection& connection) override;

  // Writes what has changed, and drops what is too old. Errors: those of the store; it is written next time then.
  [[nodiscard]] Task<Result<void>> keep(Context context);
  [[nodiscard]] std::size_t triplets() const;
  [[nodiscard]] std::size_t networks() const;

 private:
  struct State;
  class Session;
  explicit Greylist(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace keystonemail::policies
