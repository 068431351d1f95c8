// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/mailstore/kept_names.hpp"

#include <algorithm>

namespace keystonemail::service {

using mailstore::limits::kept_subscriptions_max;

Task<Result<KeptNames>> KeptNames::read(kv::Reader& reader, const StoreCore& core, mailstore::AccountId account) {
  KeptNames kept(core, account);
  const Key first(account), end = first.after_prefix();
  const kv::Range range{.first = first, .end = end, .rows_max = kept_subscriptions_max};
  KM_CO_TRY(const auto rows, co_await reader.scan(core.tables.subscription, range));
  for (const kv::Row& row : rows) {
    if (auto path = read_kept_name(row.value)) kept.rows_.push_back({std::string(row.key), *std::move(path)});
  }
  co_return kept;
}

std::vector<std::string> KeptNames::paths() const {
  std::vector<std::string> all;
  for (const Row& row : rows_) all.push_back(row.path);
  std::ranges::sort(all);
  return all;
}

bool KeptNames::take(kv::Transaction& t, std::string_view path) {
  const auto at = std::ranges::find(rows_, path, [](const Row& row) { return std::string_view(row.path); });
  if (at == rows_.end()) return false;
  t.erase(core_->tables.subscription, at->key);
  rows_.erase(at);
  return true;
}

void KeptNames::keep(kv::Transaction& t, std::string path, mailstore::ModSeq modseq, mailstore::MailboxId mailbox) {
  if (rows_.size() == kept_subscriptions_max) {
    t.erase(core_->tables.subscription, rows_.front().key);
    rows_.pop_front();
  }
  const Key key(account_, modseq, mailbox);
  t.put(core_->tables.subscription, key, encode_kept_name(path));
  rows_.push_back({std::string(std::string_view(key)), std::move(path)});
}

}  // namespace keystonemail::service
