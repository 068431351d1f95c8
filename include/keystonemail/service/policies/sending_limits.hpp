// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// policies: how much an account may send, so that a stolen password is worth little.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/log.hpp"
#include "keystonemail/kv/kv.hpp"
#include "keystonemail/policy/policy.hpp"

namespace keystonemail::policies {

// Of one account. Zero: any number.
struct SendingCeilings {
  std::uint32_t recipients_per_minute = 50;      // the burst
  std::uint32_t recipients_per_hour = 200;
  std::uint32_t recipients_per_day = 1'000;
  std::uint32_t new_recipients_per_day = 500;    // to whom it has not written before
  std::uint32_t messages_per_hour = 0;
  std::uint32_t messages_per_day = 0;
  friend bool operator==(const SendingCeilings&, const SendingCeilings&) = default;
};

struct SendingOptions {
  SendingCeilings usual = {};
  // An account that tries so many recipients in an hour, and more than it may, has been broken into: what it sends from then
  // on is taken and held in the queue, until somebody looks and calls release(). Zero: never.
  std::uint32_t suspend_at = 1'000;
  std::uint32_t held_messages_per_day_max = 100;  // beyond it, recipients are put off again
};

// An account that was suspended just now.
struct Suspension {
  std::string login;
  WallTime when{};
  std::uint32_t recipients = 0;       // that it tried within an hour
  std::string peer;                   // from where
};
// Told of it within the transaction that writes it down; what it writes is committed with that. It may be called again for one
// suspension, when the commit failed or was run again.
using SuspensionWriter = std::function<void(kv::Transaction&, const Suspension&)>;

// Counts what those who logged in send. Too much is put off at RCPT or MAIL (450 4.7.1); see SendingOptions for much too much,
// which is an event in the log too (sending.suspended). Trusted networks have no ceiling.
//
// Threads: any. Ownership: borrows store and log. Durability: suspensions before the command is answered that caused them; ceilings
// and releases when their task completes; counts when keep() is called next, so that a crash forgets the last seconds of them. Limits: accounts_max accounts that sent lately; recipients_max of those that they wrote to.
class SendingLimits final : public policy::Policy {
 public:
  static constexpr std::string_view table_name = "sending";
  static constexpr std::size_t accounts_max = 32'768, recipients_max = 131'072;

  // Errors: those of the store.
  [[nodiscard]] static Task<Result<std::shared_ptr<SendingLimits>>> open(kv::Store& store, kv::Table table, Log& log, SendingOptions options,
                                                                         Context context);
  ~SendingLimits() override;
  void set_options(SendingOptions options);
  // Empty: nobody. Set before the first connection.
  void set_suspension_writer(SuspensionWriter writer);

  [[nodiscard]] std::string_view name() const noexcept override { return "sending-limits"; }
  [[nodiscard]] std::unique_ptr<policy::Inspector> inspect(const policy::Connection& connection) override;

  struct Standing {
    std::string login;
    SendingCeilings ceilings;
    bool has_own_ceilings = false;
    std::uint32_t recipients_this_minute = 0, recipients_this_hour = 0, recipients_today = 0, new_recipients_today = 0,
                  messages_this_hour = 0, messages_today = 0;
    bool suspended = false;
  };
  [[nodiscard]] Standing standing(std::string_view login, WallTime now) const;
  // Those with ceilings of their own or suspended, by login.
  [[nodiscard]] std::vector<Standing> notable(WallTime now) const;
  // Nothing: the usual ones again. Errors: those of the store; conflict (too many accounts have their own).
  [[nodiscard]] Task<Result<void>> set_ceilings(std::string login, std::optional<SendingCeilings> ceilings, Context context);
  // Ends a suspension, and begins to count anew. What is held stays so (queue release). Errors: those of the store.
  [[nodiscard]] Task<Result<void>> release(std::string login, Context context);

  // Writes what has changed. Errors: those of the store; it is written next time then.
  [[nodiscard]] Task<Result<void>> keep(Context context);

 private:
  struct State;
  class Session;
  explicit SendingLimits(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace keystonemail::policies
