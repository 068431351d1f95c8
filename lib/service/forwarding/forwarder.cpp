// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/forwarding/forwarder.hpp"

#include <algorithm>
#include <utility>

#include "base/try.hpp"

namespace keystonemail::forwarding {

Forwarder::Forwarder(Options options) : keys_(std::move(options.keys)) {
  if (options.srs) rewriter_.emplace(*std::move(options.srs));
}

Result<std::shared_ptr<const Forwarder>> Forwarder::create(Options options) {
  if (options.srs) KM_CHECK(mailauth::srs::check_options(*options.srs));
  return std::shared_ptr<const Forwarder>(new Forwarder(std::move(options)));
}

std::string Forwarder::sender_for(const smtp::Path& sender, WallTime now) const {
  if (!rewriter_ || sender.is_null()) return sender.to_string();
  auto made = rewriter_->forward({sender.local, sender.domain}, now);
  if (!made) return {};
  const smtp::Path path{std::move(made->local), std::move(made->domain)};
  return path.to_string();
}

Return Forwarder::original_of(const smtp::Path& recipient, WallTime now) const {
  const mailauth::srs::Mailbox address{recipient.local, recipient.domain};
  if (!rewriter_ || !rewriter_->recognizes(address)) return NoReturn{};
  auto found = rewriter_->reverse(address, now);
  if (!found) return RefusedReturn{std::string(to_string(found.error()))};
  smtp::Path path{std::move(found->local), std::move(found->domain)};
  // Signed by us, and yet: a secret may have been stolen, and this is what a server is told.
  const auto checked = smtp::parse_mailbox(path.to_string());
  if (!checked) return RefusedReturn{"no address"};
  return Original{*checked};
}

std::unique_ptr<Seal> Forwarder::seal(std::string_view domain) const {
  const auto keys = keys_ ? keys_(domain) : nullptr;
  if (!keys) return nullptr;
  const auto rsa = std::ranges::find_if(keys->keys, [](const auto& one) { return one.key.type() == crypto::KeyType::rsa; });
  return rsa == keys->keys.end() ? nullptr : std::make_unique<Seal>(*rsa);
}

}  // namespace keystonemail::forwarding
