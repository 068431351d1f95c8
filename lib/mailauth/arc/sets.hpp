// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The ARC fields of a header put in order (RFC 8617 §4.2, §5.2 steps 1 to 3). Private to lib/mailauth.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "keystonemail/crypto/digest.hpp"
#include "keystonemail/mailauth/arc/verifier.hpp"
#include "keystonemail/mailauth/dkim/signature.hpp"
#include "mailauth/header_fields.hpp"

namespace keystonemail::mailauth::arc {

struct SetFields {
  const mime::Field* results = nullptr;
  const mime::Field* message_signature = nullptr;
  const mime::Field* seal = nullptr;
  dkim::Signature message;               // what message_signature says
  dkim::Signature sealing;               // what seal says
  std::optional<ChainStatus> status;     // cv=
};

struct Collection {
  bool any = false;                      // there are ARC fields
  unsigned highest = 0;                  // instance that was found, 50 at most
  bool sealed_as_failed = false;         // the highest seal says cv=fail
  std::string problem;                   // empty: the sets are whole and in sequence
  std::vector<SetFields> sets;           // the first is instance 1
};

[[nodiscard]] Collection collect(const HeaderFields& fields);

// The digests that seals sign, one after the other (RFC 8617 §5.1.1). Each costs what its own set costs.
class SealDigests {
 public:
  // Of the next set. `seal` is its ARC-Seal field as far as it is known, `signature` tells where its b= is.
  [[nodiscard]] crypto::Sha256Value next(const mime::Field& results, const mime::Field& message_signature,
                                         const mime::Field& seal, const dkim::Signature& signature);

 private:
  crypto::Digester before_{crypto::Hash::sha256};
};

}  // namespace keystonemail::mailauth::arc
