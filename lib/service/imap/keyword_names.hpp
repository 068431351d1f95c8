// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// KeywordNames: between keywords as the store numbers them and flags as IMAP names them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/mailstore/mailstore.hpp"
#include "service/imap/engine.hpp"

namespace keystonemail::service::imap {

// A session's copy of its account's keyword names. Numbers are never reused, so a copy is only ever too short.
//
// Threads: its session's.
class KeywordNames {
 public:
  // Whether the names of all keywords of these rows are known.
  [[nodiscard]] bool know(const mailstore::KeywordSet& keywords) const noexcept {
    return keywords.numbers().empty() || keywords.numbers().back() < names_.size();
  }
  [[nodiscard]] Task<Result<void>> refresh(mailstore::MailStore& store, mailstore::AccountId account, Context context);
  [[nodiscard]] const std::vector<std::string>& names() const noexcept { return names_; }
  // Whether the store makes no more of them.
  [[nodiscard]] bool full() const noexcept { return names_.size() >= mailstore::limits::keywords_per_account_max; }
  // The flags of a row. The view lives until the next call.
  [[nodiscard]] engine::FlagView flags(const mailstore::KeywordSet& keywords, bool deleted);
  // All flags there are.
  [[nodiscard]] engine::FlagView all();
  // The same, for the client to be told; and whether there are some that it has not been told of since.
  [[nodiscard]] engine::FlagView tell() {
    told_ = names_.size();
    return all();
  }
  [[nodiscard]] bool untold() const noexcept { return names_.size() > told_; }
  // Frees what can be had again, as an idle session does.
  void forget() noexcept;

 private:
  std::vector<std::string> names_;
  std::vector<std::string_view> of_row_;
  std::size_t told_ = 0;
};

inline constexpr std::uint8_t all_system_flags = 31;

// The system part of a client's flags, \Deleted aside; keywords have to be numbered by the store.
[[nodiscard]] mailstore::KeywordSet system_keywords(const engine::FlagSet& flags) noexcept;

// The flags as the store has them; makes numbers for new names. Errors: too_large, invalid.
[[nodiscard]] Task<Result<mailstore::KeywordSet>> keyword_set(mailstore::MailStore& store, mailstore::AccountId account,
                                                              const engine::FlagSet& flags, Context context);

}  // namespace keystonemail::service::imap
