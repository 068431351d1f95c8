// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/mailstore/kept_names.hpp"

#include <utility>

namespace keystonemail::service {

using mailstore::limits::kept_subscriptions_max;

Task<Result<KeptNames>> KeptNames::read(kv::Reader& reader, const StoreCore& core, mailstore::AccountId account) {
  KeptNames kept(core, account);
  const Key first(account), end = first.after_prefix();
  const kv::Range range{.first = first, .end = end, .rows_max = kept_subscriptions_max};
  KM_CO_TRY(const auto rows, co_await reader.scan(core.tables.subscription, range));
  for (const kv::Row& row : rows) {
    if (auto path = read_kept_name(row.value)) kept.add(std::string(row.key), *std::move(path));
  }
  co_return kept;
}

void KeptNames::add(std::string key, std::string path) {
  keys_.emplace(path, key);
  paths_.emplace(std::move(key), std::move(path));
}

std::vector<std::string> KeptNames::paths() const {
  std::vector<std::string> all;
  for (const auto& [path, key] : keys_) all.push_back(path);
  return all;
}

bool KeptNames::take(kv::Transaction& t, std::string_view path) {
  const auto at = keys_.find(path);
  if (at == keys_.end()) return false;
  t.erase(core_->tables.subscription, at->second);
  paths_.erase(at->second);
  keys_.erase(at);
  return true;
}

void KeptNames::keep(kv::Transaction& t, std::string path, mailstore::ModSeq modseq, mailstore::MailboxId mailbox) {
  if (paths_.size() >= kept_subscriptions_max) {
    const auto oldest = paths_.begin();
    t.erase(core_->tables.subscription, oldest->first);
    keys_.erase(oldest->second);
    paths_.erase(oldest);
  }
  const Key key(account_, modseq, mailbox);
  t.put(core_->tables.subscription, key, encode_kept_name(path));
  add(std::string(std::string_view(key)), std::move(path));
}

}  // namespace keystonemail::service
