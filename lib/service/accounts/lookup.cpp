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
constexpr std::string_view owner_prefix = "owner-";
constexpr std::string_view owner_suffixes[] = {"-owner", "-request"};  // RFC 2142 §6

// Expands one address into accounts here and addresses elsewhere. Each address is followed once, so loops end (attack E2).
class Expansion {
 public:
  Expansion(const Accounts::State& state, kv::Reader& reader) : state_(state), reader_(reader) {}

  // How an address was come to.
  struct Way {
    std::string via;
    std::string list;
    bool is_copy = false;
    std::optional<directory::AccountId> account = {};
  };
  // Whether `address` led anywhere.
  [[nodiscard]] Task<Result<bool>> follow(mime::Address address, Way way, std::size_t depth);
  [[nodiscard]] directory::Mailboxes& found() noexcept { return found_; }

 private:
  struct Match {
    AddressRecord record;
    std::string detail;
  };
  [[nodiscard]] Task<Result<bool>> follow_account(directory::AccountId id, mime::Address address, std::string detail, Way way, std::size_t depth);
  [[nodiscard]] Task<Result<bool>> follow_all(std::vector<std::string> targets, Way way, std::size_t depth);
  void note_list(const mime::Address& list);
  [[nodiscard]] Task<Result<std::optional<Match>>> match(mime::Address address);
  [[nodiscard]] Task<Result<std::optional<Match>>> match_owner(mime::Address address);
  [[nodiscard]] Task<Result<std::optional<Match>>> match_postmaster();

  const Accounts::State& state_;
  kv::Reader& reader_;
  std::set<std::string> visited_;
  directory::Mailboxes found_;
};

Task<Result<bool>> Expansion::follow(mime::Address address, Way way, std::size_t depth) {
  KM_CO_TRY(const auto ours, co_await reader_.get(state_.table, domain_key(address.domain())));
  if (!visited_.insert(address.key()).second) co_return true;
  if (!ours) {
    found_.remote.push_back({address.to_string(), std::move(way.via), std::move(way.list), way.is_copy, way.account});
    co_return true;
  }
  KM_CO_TRY(auto matched, co_await match(address));
  if (!matched) co_return false;
  if (matched->record.account) co_return co_await follow_account(*matched->record.account, address, std::move(matched->detail), std::move(way), depth);
  Alias& alias = matched->record.alias;
  way.via = address.to_string();
  if (alias.kind == AliasKind::list) {
    const auto list = mime::Address::parse(alias.address);
    if (list) note_list(*list);
    way.list = alias.address;
    way.is_copy = false;
    way.account.reset();
  }
  co_return co_await follow_all(std::move(alias.targets), std::move(way), depth);
}

Task<Result<bool>> Expansion::follow_account(directory::AccountId id, mime::Address address, std::string detail, Way way, std::size_t depth) {
  KM_CO_TRY(auto record, co_await state_.find_record(reader_, id));
  if (!record || !record->enabled) co_return true;  // it is there, and takes no mail
  Forwarding& forwarding = record->forwarding;
  const bool keeps = forwarding.targets.empty() || forwarding.keeps_copy;
  if (keeps) found_.local.push_back({id, address.to_string(), std::move(detail), way.list, record->vacation.enabled});
  if (forwarding.targets.empty()) co_return true;
  way.via = address.to_string();
  way.is_copy = way.is_copy || keeps;
  way.account = id;
  (void)visited_.insert(mime::Address::parse(record->login).value_or(address).key());  // user+detail is the user
  co_return co_await follow_all(std::move(forwarding.targets), std::move(way), depth);
}

Task<Result<bool>> Expansion::follow_all(std::vector<std::string> targets, Way way, std::size_t depth) {
  if (depth >= directory::limits::alias_depth_max) co_return false;
  bool led_anywhere = false;
  for (const std::string& target : targets) {
    if (found_.local.size() + found_.remote.size() >= directory::limits::recipients_per_address_max) break;
    auto next = mime::Address::parse(target);
    if (!next) continue;
    Way onward = way;
    KM_CO_TRY(const bool led, co_await follow(*std::move(next), std::move(onward), depth + 1));
    led_anywhere = led_anywhere || led;
  }
  co_return led_anywhere;
}

void Expansion::note_list(const mime::Address& list) {
  const std::string address = list.to_string();
  if (std::ranges::find(found_.lists, address, &directory::Mailboxes::List::address) != found_.lists.end()) return;
  const auto owner = mime::Address::make(std::string(owner_prefix) + list.local_part(), list.domain());
  found_.lists.push_back({address, owner ? owner->to_string() : "postmaster@" + list.domain()});
}

// The address itself, then without its detail, then the owner of a list, then the domain's catch-all.
Task<Result<std::optional<Expansion::Match>>> Expansion::match(mime::Address address) {
  KM_CO_TRY(auto exact, co_await state_.find_address(reader_, address.key()));
  if (exact) co_return Match{*std::move(exact), {}};
  const auto separator = address.local_part().find(detail_separator);
  if (separator != std::string::npos && separator > 0) {
    const auto base = mime::Address::make(std::string_view(address.local_part()).substr(0, separator), address.domain());
    if (base) {
      KM_CO_TRY(auto detailed, co_await state_.find_address(reader_, base->key()));
      if (detailed) co_return Match{*std::move(detailed), address.local_part().substr(separator + 1)};
    }
  }
  KM_CO_TRY(auto owner, co_await match_owner(address));
  if (owner) co_return owner;
  if (iequals(address.local_part(), "postmaster")) {
    KM_CO_TRY(auto special, co_await match_postmaster());
    if (special) co_return special;
  }
  KM_CO_TRY(auto rest, co_await state_.find_address(reader_, "@" + address.domain()));
  if (rest) co_return Match{*std::move(rest), {}};
  co_return std::optional<Match>();
}

// owner-LIST, LIST-owner and LIST-request, where nobody else has the address.
Task<Result<std::optional<Expansion::Match>>> Expansion::match_owner(mime::Address address) {
  std::string_view name = address.local_part();
  if (istarts_with(name, owner_prefix)) {
    name.remove_prefix(owner_prefix.size());
  } else {
    const auto suffix = std::ranges::find_if(owner_suffixes, [&](std::string_view one) { return name.size() > one.size() && iequals(name.substr(name.size() - one.size()), one); });
    if (suffix == std::end(owner_suffixes)) co_return std::optional<Match>();
    name.remove_suffix(suffix->size());
  }
  const auto list = mime::Address::make(name, address.domain());
  if (!list) co_return std::optional<Match>();
  KM_CO_TRY(auto record, co_await state_.find_address(reader_, list->key()));
  if (!record || record->account || record->alias.kind != AliasKind::list) co_return std::optional<Match>();
  if (record->alias.owner.empty()) co_return co_await match_postmaster();
  Match match;
  match.record.alias.targets.push_back(std::move(record->alias.owner));
  co_return match;
}

// RFC 5321 §4.5.1: postmaster is always there.
Task<Result<std::optional<Expansion::Match>>> Expansion::match_postmaster() {
  KM_CO_TRY(const auto key, co_await reader_.get(state_.table, postmaster_key));
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
  Expansion expansion(*state_, *snapshot);
  Expansion::Way way;
  KM_CO_TRY(const bool led, co_await expansion.follow(*address, std::move(way), 0));
  if (!led) co_return directory::Resolution(directory::UnknownRecipient{});
  directory::Mailboxes& found = expansion.found();
  if (found.local.empty() && found.remote.empty()) co_return directory::Resolution(directory::DisabledRecipient{});
  co_return directory::Resolution(std::move(found));
}

Task<Result<std::optional<directory::Absence>>> Accounts::absence(directory::AccountId account, Context context) {
  std::optional<directory::Absence> absence;
  KM_CO_TRY(const auto snapshot, co_await state_->store.snapshot(context));
  KM_CO_TRY(auto record, co_await state_->find_record(*snapshot, account));
  if (record && record->vacation.enabled) absence.emplace(record->account(), std::move(record->vacation));
  co_return absence;
}

Task<Result<bool>> Accounts::may_send_as(directory::AccountId account, std::string_view address, Context context) {
  const auto parsed = mime::Address::parse(address);
  if (!parsed) co_return false;
  {  // its own, wherever it is forwarded to
    KM_CO_TRY(const auto snapshot, co_await state_->store.snapshot(context));
    KM_CO_TRY(const auto own, co_await state_->find_address(*snapshot, parsed->key()));
    if (own && own->account == account) co_return true;
  }
  KM_CO_TRY(const auto resolved, co_await resolve(address, context));
  const auto* found = std::get_if<directory::Mailboxes>(&resolved);
  if (found == nullptr) co_return false;
  co_return std::ranges::any_of(found->local, [account](const auto& local) { return local.account == account; });
}

}  // namespace keystonemail::accounts
