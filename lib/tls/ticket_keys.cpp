// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
#include "tls/ticket_keys.hpp"

#include <openssl/rand.h>

#include <cstring>

#include "keystonemail/crypto/secret.hpp"
#include "keystonemail/tls/context.hpp"

namespace keystonemail::tls {

TicketKey::TicketKey() {
  RAND_bytes(name.data(), name.size());
  RAND_bytes(cipher.data(), cipher.size());
  RAND_bytes(mac.data(), mac.size());
}

TicketKey::~TicketKey() {
  crypto::wipe(cipher.data(), cipher.size());
  crypto::wipe(mac.data(), mac.size());
}

void TicketKeys::rotate(WallTime now) {
  const std::lock_guard lock(mutex_);
  if (!since_ || now < *since_) since_ = now;  // the first use; or the clock was set back
  const auto age = now - *since_;
  if (age < limits::ticket_key_lifetime) return;
  if (age < 2 * limits::ticket_key_lifetime) {
    previous_ = current_;
  } else {
    previous_.reset();  // nothing it sealed is still good
  }
  current_ = TicketKey();
  since_ = now;
}

TicketKey TicketKeys::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

std::optional<TicketKeys::Found> TicketKeys::find(const std::uint8_t* name) const {
  const std::lock_guard lock(mutex_);
  const auto is = [name](const TicketKey& key) { return std::memcmp(key.name.data(), name, key.name.size()) == 0; };
  if (is(current_)) return Found{current_, true};
  if (previous_ && is(*previous_)) return Found{*previous_, false};
  return std::nullopt;
}

}  // namespace keystonemail::tls
