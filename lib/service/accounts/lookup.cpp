// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Recipients: aliases, lists, catch-all, user+detail (RFC 5233), and who may use an address as a sender.
#include <algorithm>
#include <set>
#include <utility>

#include "base/record.hpp"
#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/idna.hpp"
#include "service/accounts/state.hpp"

namespace keystonemail::accounts {
namespace {

constexpr char detail_separator = '+';

// Expands one address into accounts here and addresses elsewhere. Each address is followed once, so loops end.
class Expansion {
 public:
  Expansion(const kv::Table table, kv::Reader& reader, std::function<Task<Result<std::optional<AddressRecord>>>(std::string)> find)
      : table_(table), reader_(reader), find_(std::move(find)) {}

  // Whether `address` led anywhere.
  [[nodiscard]] Task<Result<bool>> follow(mime::Address address, std::size_t depth);
  [[nodiscard]] directory::Mailboxes& found() noexcept { return found_; }

 private:
  struct Match {
    AddressRecord record;
    std::string detail;
  };
  [[nodiscard]] Task<Result<std::optional<Match>>> match(const mime::Address& address);
  [[nodiscard]] Task<Result<std::optional<Match>>> match_postmaster(const mime::Address& address);

  kv::Table table_;
  kv::Reader& reader_;
  std::function<Task<Result<std::optional<AddressRecord>>>(std::string)> find_;
  std::set<std::string> visited_;
  directory::Mailboxes found_;
};

Task<Result<bool>> Expansion::follow(mime::Address address, std::size_t depth) {
  KM_CO_TRY(const auto ours, co_await reader_.get(table_, domain_key(address.domain())));
  if (!visited_.insert(address.key()).second) co_return true;
  if (!ours) {
    found_.remote.push_back(address.to_string());
    co_return true;
  }
  KM_CO_TRY(auto matched, co_await match(address));
  if (!matched) co_return false;
  if (matched->record.account) {
    found_.local.push_back({*matched->record.account, address.to_string(), std::move(matched->detail)});
    co_return true;
  }
  if (depth >= directory::limits::alias_depth_max) co_return false;
  bool led_anywhere = false;
  for (const std::string& target : matched->record.alias.targets) {
    if (found_.local.size() + found_.remote.size() >= directory::limits::recipients_per_address_max) break;
    auto next = mime::Address::parse(target);
    if (!next) continue;
    KM_CO_TRY(const bool led, co_await follow(*std::move(next), depth + 1));
    led_anywhere = led_anywhere || led;
  }
  co_return led_anywhere;
}

// The address itself, then without its detail, then the domain's catch-all.
Task<Result<std::optional<Expansion::Match>>> Expansion::match(const mime::Address& address) {
  KM_CO_TRY(auto exact, co_await find_(address.key()));
  if (exact) co_return Match{*std::move(exact), {}};
  const auto separator = address.local_part().find(detail_separator);
  if (separator != std::string::npos && separator > 0) {
    const auto base = mime::Address::make(std::string_view(address.local_part()).substr(0, separator), address.domain());
    if (base) {
      KM_CO_TRY(auto detailed, co_await find_(base->key()));
      if (detailed) co_return Match{*std::move(detailed), address.local_part().substr(separator + 1)};
    }
  }
  KM_CO_TRY(auto special, co_await match_postmaster(address));
  if (special) co_return special;
  KM_CO_TRY(auto rest, co_await find_("@" + address.domain()));
  if (rest) co_return Match{*std::move(rest), {}};
  co_return std::optional<Match>();
}

// RFC 5321 §4.5.1: postmaster is always there.
Task<Result<std::optional<Expansion::Match>>> Expansion::match_postmaster(const mime::Address& address) {
  if (!iequals(address.local_part(), "postmaster")) co_return std::optional<Match>();
  KM_CO_TRY(const auto key, co_await reader_.get(table_, postmaster_key));
  if (!key || key->size() != 5) co_return std::optional<Match>();
  const auto id = directory::AccountId{static_cast<std::uint32_t>(read_big_endian(key->substr(1)))};
  co_return Match{AddressRecord{.account = id, .alias = {}}, {}};
}

}  // namespace

Task<Result<bool>> Accounts::is_local_domain(std::string_view domain, Context context) {
  const auto name = codec::to_ascii_domain(domain);
  if (!name) co_return false;
  KM_CO_TRY(const auto snapshot, co_await state_->store.snapshot(context));
  KM_CO_TRY(const auto row, co_await snapshot->get(state_->table, domain_key(*name)));
  co_return row.has_value();
}

Task<Result<directory::Resolution>> Accounts::resolve(std::string_view text, Context context) {
  const auto address = mime::Address::parse(text);
  if (!address) co_return directory::Resolution(directory::UnknownRecipient{});
  KM_CO_TRY(const auto snapshot, co_await state_->store.snapshot(context));
  KM_CO_TRY(const auto ours, co_await snapshot->get(state_->table, domain_key(address->domain())));
  if (!ours) co_return directory::Resolution(directory::NotLocal{});
  Expansion expansion(state_->table, *snapshot,
                      [this, &snapshot](std::string key) { return state_->find_address(*snapshot, std::move(key)); });
  KM_CO_TRY(const bool led, co_await expansion.follow(*address, 0));
  if (!led) co_return directory::Resolution(directory::UnknownRecipient{});
  directory::Mailboxes enabled{{}, std::move(expansion.found().remote)};
  for (auto& local : expansion.found().local) {
    KM_CO_TRY(const auto record, co_await state_->find_record(*snapshot, local.account));
    if (record && record->enabled) enabled.local.push_back(std::move(local));
  }
  if (enabled.local.empty() && enabled.remote.empty()) co_return directory::Resolution(directory::DisabledRecipient{});
  co_return directory::Resolution(std::move(enabled));
}

Task<Result<bool>> Accounts::may_send_as(directory::AccountId account, std::string_view address, Context context) {
  KM_CO_TRY(const auto resolved, co_await resolve(address, context));
  const auto* found = std::get_if<directory::Mailboxes>(&resolved);
  if (found == nullptr) co_return false;
  co_return std::ranges::any_of(found->local, [account](const auto& local) { return local.account == account; });
}

}  // namespace keystonemail::accounts
