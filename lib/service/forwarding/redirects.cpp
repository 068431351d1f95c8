// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/forwarding/redirects.hpp"

#include <utility>

#include "base/record.hpp"
#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/crypto/digest.hpp"
#include "keystonemail/mime/address.hpp"
#include "service/forwarding/recent_names.hpp"

namespace keystonemail::forwarding {
namespace {

constexpr std::size_t name_octets = 16;

RecentNames names_in(kv::Table table, std::uint64_t rows_max) {
  return RecentNames({.table = table, .slot = std::chrono::hours(1), .kept = limits::redirect_remembered, .rows_max = rows_max});
}

}  // namespace

std::string Redirects::name(std::string_view message_id, std::string_view address) {
  const std::string_view id = trim(message_id);
  if (id.empty()) return {};
  const auto parsed = mime::Address::parse(address);
  const std::string target = parsed ? parsed->key() : to_lower(address);
  const auto digest = crypto::sha256(RecordWriter().text(id).text(target).view());
  return {reinterpret_cast<const char*>(digest.data()), name_octets};
}

Task<Result<bool>> Redirects::knows(std::string name, Context context) const {
  if (name.empty()) co_return false;
  const WallTime now = context.executor->wall_now();
  KM_CO_TRY(const auto snapshot, co_await store_.snapshot(std::move(context)));
  const RecentNames names = names_in(table_, rows_max_);
  co_return co_await names.find(*snapshot, name, limits::redirect_remembered, now);
}

kv::Operation Redirects::remember(std::vector<std::string> names, WallTime now) const {
  return [this, names = std::move(names), now](kv::Transaction& transaction) { return write(transaction, names, now); };
}

Task<Result<void>> Redirects::write(kv::Transaction& transaction, const std::vector<std::string>& names, WallTime now) const {
  const RecentNames known = names_in(table_, rows_max_);
  for (const std::string& name : names) {
    KM_CO_TRY(const bool is_known, co_await known.find(transaction, name, limits::redirect_remembered, now));
    if (is_known) co_return fail(ErrorKind::conflict, {}, "redirected meanwhile");
  }
  co_return co_await known.put(transaction, names, now);
}

}  // namespace keystonemail::forwarding
