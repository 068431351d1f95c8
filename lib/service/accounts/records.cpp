// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/accounts/records.hpp"

#include <optional>
#include <utility>

#include "base/record.hpp"

namespace keystonemail::accounts {
namespace {

constexpr std::uint8_t account_version = 4;  // 3 had no automatic answers; 2 had no forwarding; 1 had SCRAM keys for one way of typing an app password
constexpr std::uint64_t ways_of_typing_max = 16;
constexpr std::uint8_t address_version = 2;  // 1 had no owners of lists

void put_time(RecordWriter& out, WallTime time) { out.number(static_cast<std::uint64_t>(time.time_since_epoch().count())); }

WallTime get_time(RecordReader& in) {
  return WallTime(std::chrono::milliseconds(static_cast<std::int64_t>(in.number())));
}

void put_optional_time(RecordWriter& out, const std::optional<WallTime>& time) {
  out.octet(time ? 1 : 0);
  if (time) put_time(out, *time);
}

std::optional<WallTime> get_optional_time(RecordReader& in) { return in.octet() != 0 ? std::optional(get_time(in)) : std::nullopt; }

void put_vacation(RecordWriter& out, const autoreply::Settings& settings) {
  out.octet(settings.enabled ? 1 : 0);
  put_optional_time(out, settings.from);
  put_optional_time(out, settings.until);
  out.text(settings.subject).text(settings.text).text(settings.html).text(settings.address).number(settings.days);
}

autoreply::Settings get_vacation(RecordReader& in) {
  autoreply::Settings settings;
  settings.enabled = in.octet() != 0;
  settings.from = get_optional_time(in);
  settings.until = get_optional_time(in);
  settings.subject = in.text();
  settings.text = in.text();
  settings.html = in.text();
  settings.address = in.text();
  settings.days = static_cast<unsigned>(in.number());
  return settings;
}

// Salt is the account's, so it is not written with each set of keys.
void put_keys(RecordWriter& out, const crypto::ScramKeys& keys) {
  out.number(keys.iterations).text(keys.stored_key).text(keys.server_key);
}

crypto::ScramKeys get_keys(RecordReader& in, std::string_view salt) {
  crypto::ScramKeys keys;
  keys.salt = salt;
  keys.iterations = static_cast<std::uint32_t>(in.number());
  keys.stored_key = in.text();
  keys.server_key = in.text();
  return keys;
}

void put_all_keys(RecordWriter& out, const std::vector<crypto::ScramKeys>& all) {
  out.number(all.size());
  for (const crypto::ScramKeys& keys : all) put_keys(out, keys);
}

// Nothing when there are more than can be.
std::optional<std::vector<crypto::ScramKeys>> get_all_keys(RecordReader& in, std::uint8_t version, std::string_view salt) {
  const std::uint64_t count = version == 1 ? 1 : in.number();
  if (count > ways_of_typing_max) return std::nullopt;
  std::vector<crypto::ScramKeys> all;
  for (std::uint64_t i = 0; i < count; ++i) all.push_back(get_keys(in, salt));
  return all;
}

std::unexpected<Error> damaged(std::string_view what) {
  return fail(ErrorKind::corrupt, "the directory is damaged", std::string(what) + " record cannot be read");
}

}  // namespace

directory::Account AccountRecord::account() const {
  return {.id = id, .login = login, .display_name = display_name, .enabled = enabled, .quota_octets = quota_octets,
          .quota_messages = quota_messages};
}

std::string encode(const AccountRecord& record) {
  RecordWriter out;
  out.octet(account_version).number(static_cast<std::uint64_t>(record.id)).text(record.login).text(record.display_name);
  out.octet(record.enabled ? 1 : 0).number(record.quota_octets).number(record.quota_messages).number(record.version);
  out.text(record.password_hash).text(record.scram_salt).octet(record.password_keys ? 1 : 0);
  if (record.password_keys) put_keys(out, *record.password_keys);
  out.number(record.app_passwords.size());
  for (const StoredAppPassword& password : record.app_passwords) {
    out.text(password.about.name).number(password.about.services.size());
    for (const std::string& service : password.about.services) out.text(service);
    put_time(out, password.about.created);
    out.octet(password.about.expires ? 1 : 0);
    if (password.about.expires) put_time(out, *password.about.expires);
    out.text(password.hash);
    put_all_keys(out, password.keys);
    put_all_keys(out, password.stretched_keys);
  }
  out.octet(record.forwarding.keeps_copy ? 1 : 0).number(record.forwarding.targets.size());
  for (const std::string& target : record.forwarding.targets) out.text(target);
  put_vacation(out, record.vacation);
  return out.take();
}

Result<AccountRecord> decode_account(std::string_view stored) {
  RecordReader in(stored);
  const std::uint8_t version = in.octet();
  if (version == 0 || version > account_version) return damaged("account");
  AccountRecord record;
  record.id = directory::AccountId{static_cast<std::uint32_t>(in.number())};
  record.login = in.text();
  record.display_name = in.text();
  record.enabled = in.octet() != 0;
  record.quota_octets = in.number();
  record.quota_messages = in.number();
  record.version = in.number();
  record.password_hash = in.text();
  record.scram_salt = in.text();
  if (in.octet() != 0) record.password_keys = get_keys(in, record.scram_salt);
  for (std::uint64_t left = in.number(); left > 0 && in.ok(); --left) {
    StoredAppPassword password;
    password.about.name = in.text();
    for (std::uint64_t services = in.number(); services > 0 && in.ok(); --services) {
      password.about.services.emplace_back(in.text());
    }
    password.about.created = get_time(in);
    if (in.octet() != 0) password.about.expires = get_time(in);
    password.hash = in.text();
    auto keys = get_all_keys(in, version, record.scram_salt), stretched = get_all_keys(in, version, record.scram_salt);
    if (!keys || !stretched) return damaged("account");
    password.keys = *std::move(keys);
    password.stretched_keys = *std::move(stretched);
    record.app_passwords.push_back(std::move(password));
  }
  if (version >= 3) {
    record.forwarding.keeps_copy = in.octet() != 0;
    for (std::uint64_t left = in.number(); left > 0 && in.ok(); --left) record.forwarding.targets.emplace_back(in.text());
  }
  if (version >= 4) record.vacation = get_vacation(in);
  if (!in.ok() || !in.at_end()) return damaged("account");
  return record;
}

std::string encode(const AddressRecord& record) {
  RecordWriter out;
  out.octet(address_version).octet(record.account ? 1 : 0);
  if (record.account) return out.number(static_cast<std::uint64_t>(*record.account)).take();
  out.octet(static_cast<std::uint8_t>(record.alias.kind)).text(record.alias.address).number(record.alias.targets.size());
  for (const std::string& target : record.alias.targets) out.text(target);
  return out.text(record.alias.owner).take();
}

Result<AddressRecord> decode_address(std::string_view stored) {
  RecordReader in(stored);
  const std::uint8_t version = in.octet();
  if (version == 0 || version > address_version) return damaged("address");
  AddressRecord record;
  if (in.octet() != 0) {
    record.account = directory::AccountId{static_cast<std::uint32_t>(in.number())};
  } else {
    const std::uint8_t kind = in.octet();
    if (kind > static_cast<std::uint8_t>(AliasKind::catch_all)) return damaged("address");
    record.alias.kind = static_cast<AliasKind>(kind);
    record.alias.address = in.text();
    for (std::uint64_t left = in.number(); left > 0 && in.ok(); --left) record.alias.targets.emplace_back(in.text());
    if (version >= 2) record.alias.owner = in.text();
  }
  if (!in.ok() || !in.at_end()) return damaged("address");
  return record;
}

std::string account_key(directory::AccountId id) {
  std::string key(1, account_prefix);
  append_big_endian(key, static_cast<std::uint64_t>(id), 4);
  return key;
}

std::string address_key(std::string_view address) { return std::string(1, address_prefix).append(address); }
std::string domain_key(std::string_view domain) { return std::string(1, domain_prefix).append(domain); }

}  // namespace keystonemail::accounts
