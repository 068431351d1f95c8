// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "mailauth/dkim/body_hash.hpp"

#include <algorithm>
#include <cassert>

namespace keystonemail::mailauth::dkim {

void BodyHash::want(std::optional<std::uint64_t> octets) {
  if (!octets) {
    whole_wanted_ = true;
    return;
  }
  const auto place = std::ranges::lower_bound(beginnings_, *octets, {}, &Beginning::octets);
  if (place == beginnings_.end() || place->octets != *octets) beginnings_.insert(place, Beginning{*octets, {}});
}

std::optional<crypto::Sha256Value> BodyHash::value(std::optional<std::uint64_t> octets) const {
  if (!octets) return whole_;
  const auto place = std::ranges::lower_bound(beginnings_, *octets, {}, &Beginning::octets);
  assert(place != beginnings_.end() && place->octets == *octets);
  return place->value;
}

void BodyHash::write(std::string_view canonical) {
  settle();
  while (!canonical.empty() && (whole_wanted_ || settled_ < beginnings_.size())) {
    std::size_t part = canonical.size();
    if (settled_ < beginnings_.size()) part = std::min<std::uint64_t>(part, beginnings_[settled_].octets - octets_);
    digester_.update(canonical.substr(0, part));
    octets_ += part;
    canonical.remove_prefix(part);
    settle();
  }
  octets_ += canonical.size();
}

// Gives their value to the beginnings that end here.
void BodyHash::settle() {
  for (; settled_ < beginnings_.size() && beginnings_[settled_].octets == octets_; ++settled_) {
    beginnings_[settled_].value = crypto::Digester(digester_).finish_sha256();
  }
}

void BodyHash::finish_hash() {
  finish();
  settle();
  if (whole_wanted_) whole_ = digester_.finish_sha256();
}

void BodyHashes::want(Canonicalization canonicalization, std::optional<std::uint64_t> octets) {
  auto& hash = hashes_[static_cast<std::size_t>(canonicalization)];
  if (!hash) hash = std::make_unique<BodyHash>(canonicalization);
  hash->want(octets);
}

void BodyHashes::append(std::string_view piece) {
  for (const auto& hash : hashes_) {
    if (hash) hash->append(piece);
  }
}

void BodyHashes::finish() {
  for (const auto& hash : hashes_) {
    if (hash) hash->finish_hash();
  }
}

const BodyHash& BodyHashes::of(Canonicalization canonicalization) const {
  const auto& hash = hashes_[static_cast<std::size_t>(canonicalization)];
  assert(hash);
  return *hash;
}

}  // namespace keystonemail::mailauth::dkim
