// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// DkimKeys: the keys that mail of our domains is signed with, each in a file of its own (mode 0600):
// dkim/DOMAIN/SELECTOR.pem in use, SELECTOR.next.pem to be published before it is used, SELECTOR.old.pem used no more.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/result.hpp"
#include "keystonemail/base/time.hpp"
#include "keystonemail/crypto/key.hpp"
#include "keystonemail/mailauth/dkim/signer.hpp"

namespace keystonemail::host {

enum class KeyState : std::uint8_t {
  next,     // made: publish its record, then rotate again
  active,   // signs
  old,      // signs no more; its record stays until signatures that are under way have expired
};
[[nodiscard]] std::string_view to_string(KeyState state) noexcept;

struct DkimKey {
  std::string domain;                 // A-labels, lower case
  std::string selector;
  KeyState state = KeyState::active;
  crypto::PrivateKey key;
  WallTime changed{};                 // when it came into this state
};

// A file that cannot be read, or holds no key, is left out, and told of in problems().
//
// Threads: any. Errors: unavailable (files), invalid (a domain).
class DkimKeys {
 public:
  // The keys below `directory`, which need not be there.
  [[nodiscard]] static std::unique_ptr<DkimKeys> open(std::string directory);
  [[nodiscard]] std::vector<std::string> problems() const;

  [[nodiscard]] std::vector<DkimKey> list() const;
  // RSA of 2048 bits and Ed25519, in use at once. Errors: conflict when the domain has keys.
  [[nodiscard]] Result<std::vector<DkimKey>> generate(std::string_view domain, WallTime now);
  // Makes new ones that wait; or, when some wait, puts them in use and the others out of it. Returns those new or in use.
  [[nodiscard]] Result<std::vector<DkimKey>> rotate(std::string_view domain, WallTime now);

  // What mail from that domain is signed with now; null: nothing.
  [[nodiscard]] std::shared_ptr<const mailauth::dkim::SignerOptions> signer(std::string_view domain) const;

 private:
  explicit DkimKeys(std::string directory) : directory_(std::move(directory)) {}
  void load();
  [[nodiscard]] Result<std::vector<DkimKey>> make(const std::string& domain, KeyState state, WallTime now);
  [[nodiscard]] Result<void> move(const DkimKey& key, KeyState state) const;
  [[nodiscard]] std::string path_of(const DkimKey& key, KeyState state) const;
  [[nodiscard]] std::vector<DkimKey> of(std::string_view domain, KeyState state) const;  // REQUIRES: mutex_

  const std::string directory_;
  mutable std::mutex mutex_;  // guards all below
  std::vector<DkimKey> keys_;
  std::vector<std::string> problems_;
  std::map<std::string, std::shared_ptr<const mailauth::dkim::SignerOptions>, std::less<>> signers_;
};

// Its record for the zone, split into strings of at most 255 octets: SELECTOR._domainkey.DOMAIN. IN TXT ( "..." ).
[[nodiscard]] std::string zone_line(const DkimKey& key);

}  // namespace keystonemail::host
