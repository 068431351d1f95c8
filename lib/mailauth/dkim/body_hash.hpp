// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The hashes of a body that several signatures ask for, in one pass. Private to lib/mailauth.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "keystonemail/crypto/digest.hpp"
#include "keystonemail/mailauth/dkim/canonicalization.hpp"

namespace keystonemail::mailauth::dkim {

// The SHA-256 of one canonical form: of all of it, and of its beginnings as l= wants them. The work is that of one
// hash, however many signatures name however many lengths (attack D7).
class BodyHash final : public BodyCanonicalizer {
 public:
  explicit BodyHash(Canonicalization canonicalization) noexcept : BodyCanonicalizer(canonicalization) {}

  // Asks for the hash of the first `octets`, or of all. REQUIRES: before anything is appended.
  void want(std::optional<std::uint64_t> octets);
  // REQUIRES: it was wanted, and finish() was called. Nothing when the body is shorter.
  [[nodiscard]] std::optional<crypto::Sha256Value> value(std::optional<std::uint64_t> octets) const;
  // Octets of the canonical form.
  [[nodiscard]] std::uint64_t octets() const noexcept { return octets_; }
  void finish_hash();

 private:
  struct Beginning {
    std::uint64_t octets;
    std::optional<crypto::Sha256Value> value;
  };
  void write(std::string_view canonical) override;
  void settle();

  crypto::Digester digester_{crypto::Hash::sha256};
  std::uint64_t octets_ = 0;
  std::vector<Beginning> beginnings_;        // sorted by octets
  std::size_t settled_ = 0;                  // so many of them have their value
  bool whole_wanted_ = false;
  std::optional<crypto::Sha256Value> whole_;
};

// Both forms, each made only when it is wanted.
class BodyHashes {
 public:
  void want(Canonicalization canonicalization, std::optional<std::uint64_t> octets);
  void append(std::string_view piece);
  void finish();
  // REQUIRES: it was wanted.
  [[nodiscard]] const BodyHash& of(Canonicalization canonicalization) const;

 private:
  std::array<std::unique_ptr<BodyHash>, 2> hashes_;
};

}  // namespace keystonemail::mailauth::dkim
