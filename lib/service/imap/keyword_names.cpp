// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/imap/keyword_names.hpp"

#include "base/try.hpp"

namespace keystonemail::service::imap {

// RFC 9051 §2.3.2 and the store number the four in one order; \Deleted stands apart.
static_assert(static_cast<int>(engine::SystemFlag::seen) == 1 << static_cast<int>(mailstore::SystemKeyword::seen));
static_assert(static_cast<int>(engine::SystemFlag::answered) == 1 << static_cast<int>(mailstore::SystemKeyword::answered));
static_assert(static_cast<int>(engine::SystemFlag::flagged) == 1 << static_cast<int>(mailstore::SystemKeyword::flagged));
static_assert(static_cast<int>(engine::SystemFlag::draft) == 1 << static_cast<int>(mailstore::SystemKeyword::draft));

namespace {
constexpr std::uint8_t deleted_bit = static_cast<std::uint8_t>(engine::SystemFlag::deleted);
}

Task<Result<void>> KeywordNames::refresh(mailstore::MailStore& store, mailstore::AccountId account, Context context) {
  KM_CO_TRY(names_, co_await store.keyword_names(account, context));
  co_return {};
}

engine::FlagView KeywordNames::flags(const mailstore::KeywordSet& keywords, bool deleted) {
  of_row_.clear();
  for (const mailstore::KeywordNumber number : keywords.numbers()) {
    if (number < names_.size()) of_row_.push_back(names_[number]);
  }
  return {static_cast<std::uint8_t>(keywords.system_bits() | (deleted ? deleted_bit : 0)), of_row_};
}

engine::FlagView KeywordNames::all() {
  of_row_.assign(names_.begin(), names_.end());
  return {all_system_flags, of_row_};
}

void KeywordNames::forget() noexcept {
  names_ = {};
  of_row_ = {};
}

mailstore::KeywordSet system_keywords(const engine::FlagSet& flags) noexcept {
  mailstore::KeywordSet set;
  set.set_system_bits(static_cast<std::uint8_t>(flags.system & ~deleted_bit));
  return set;
}

Task<Result<mailstore::KeywordSet>> keyword_set(mailstore::MailStore& store, mailstore::AccountId account,
                                                const engine::FlagSet& flags, Context context) {
  mailstore::KeywordSet set = system_keywords(flags);
  if (flags.keywords.empty()) co_return set;
  KM_CO_TRY(const auto numbers, co_await store.keyword_numbers(account, flags.keywords, context));
  for (const mailstore::KeywordNumber number : numbers) set.add(number);
  co_return set;
}

}  // namespace keystonemail::service::imap
