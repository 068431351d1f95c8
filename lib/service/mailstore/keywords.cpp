// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The names of user-defined keywords: one row for each, numbered from 0 within the account.
#include <algorithm>

#include "keystonemail/base/text.hpp"
#include "service/mailstore/store_impl.hpp"

namespace keystonemail::service {

namespace {

// RFC 9051 §9 flag-keyword = "$MDNSent" / ... / atom; RFC 8621 §4.1.1 the same without a few more.
bool is_keyword(std::string_view name) {
  if (name.empty() || name.size() > mailstore::limits::keyword_octets_max) return false;
  return std::ranges::all_of(name, [](char c) {
    return c > 0x20 && c < 0x7f && std::string_view("(){%*\"\\]").find(c) == std::string_view::npos;
  });
}

Task<Result<std::vector<std::string>>> read_names(kv::Reader& reader, const StoreCore& core, mailstore::AccountId account) {
  KM_CO_CHECK(co_await get_account(reader, core, account));
  std::vector<std::string> names;
  const Key first(account), end = first.after_prefix();
  const kv::Range range{.first = first, .end = end, .rows_max = mailstore::limits::keywords_per_account_max};
  KM_CO_TRY(const auto rows, co_await reader.scan(core.tables.keyword, range));
  for (const kv::Row& row : rows) names.emplace_back(row.value);
  co_return names;
}

std::optional<mailstore::KeywordNumber> find_name(const std::vector<std::string>& names, std::string_view name) {
  const auto at = std::ranges::find_if(names, [name](const auto& known) { return iequals(known, name); });
  if (at == names.end()) return std::nullopt;
  return static_cast<mailstore::KeywordNumber>(at - names.begin());
}

// The numbers of names that are all known; nothing when one is not.
std::optional<std::vector<mailstore::KeywordNumber>> find_all(const std::vector<std::string>& known,
                                                              std::span<const std::string> names) {
  std::vector<mailstore::KeywordNumber> numbers;
  for (const auto& name : names) {
    const auto number = find_name(known, name);
    if (!number) return std::nullopt;
    numbers.push_back(*number);
  }
  return numbers;
}

Task<Result<void>> apply_names(kv::Transaction& t, const StoreCore& core, mailstore::AccountId account,
                               std::span<const std::string> names, std::vector<mailstore::KeywordNumber>& numbers) {
  KM_CO_TRY(auto known, co_await read_names(t, core, account));
  for (const auto& name : names) {
    if (find_name(known, name)) continue;
    if (known.size() >= mailstore::limits::keywords_per_account_max) co_return fail(ErrorKind::too_large, "too many keywords");
    t.put(core.tables.keyword, Key(account, static_cast<std::uint16_t>(known.size())), name);
    known.push_back(name);
  }
  numbers = find_all(known, names).value();
  co_return Result<void>();
}

}  // namespace

StoreImpl::Answer<std::vector<std::string>> StoreImpl::keyword_names(AccountId account, Context context) {
  KM_CO_TRY(const auto snapshot, co_await core_.kv.snapshot(context));
  co_return co_await read_names(*snapshot, core_, account);
}

StoreImpl::Answer<std::vector<mailstore::KeywordNumber>> StoreImpl::keyword_numbers(AccountId account,
                                                                                    std::span<const std::string> names,
                                                                                    Context context) {
  for (const auto& name : names) {
    if (!is_keyword(name)) co_return fail(ErrorKind::invalid, "not a keyword");
  }
  {
    KM_CO_TRY(const auto known, co_await keyword_names(account, context));
    if (auto numbers = find_all(known, names)) co_return *std::move(numbers);
  }
  std::vector<mailstore::KeywordNumber> numbers;
  KM_CO_CHECK(co_await core_.kv.transact(
      [&](kv::Transaction& t) { return apply_names(t, core_, account, names, numbers); }, core_.adds(), context));
  co_return numbers;
}

}  // namespace keystonemail::service
