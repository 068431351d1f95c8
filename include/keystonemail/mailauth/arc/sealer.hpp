// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// arc::Sealer adds a set to the chain of a message that we pass on (RFC 8617 §5.1).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/result.hpp"
#include "keystonemail/base/time.hpp"
#include "keystonemail/mailauth/arc/verifier.hpp"
#include "keystonemail/mailauth/authentication_results.hpp"
#include "keystonemail/mailauth/dkim/signer.hpp"

namespace keystonemail::mailauth::arc {

// Those of DKIM and the DKIM signatures themselves, each as often as it stands: the next hand may be a list.
[[nodiscard]] std::vector<dkim::SignedField> default_sealed_fields();

struct SealerOptions {
  dkim::SigningKey key;
  std::vector<dkim::SignedField> fields = default_sealed_fields();   // of ARC-Message-Signature, with From among them
};

// Whether a sealer would work with them. Errors: invalid.
[[nodiscard]] Result<void> check_options(const SealerOptions& options);

// One message: receive() its octets as they will be sent, every other change made, header first; receive_end() gives
// the fields to put on top.
//
// Ownership: borrows `options`, which must outlive it; keeps the header, not the body. Threads: not synchronised.
// Errors: invalid when the header begins with white space; too_large for a header beyond limits, or a chain that has 50
//   sets; internal.
// Limits: mime::limits::header_octets_max and header_fields_max, arc::limits.
class Sealer {
 public:
  // REQUIRES: check_options() accepts them.
  explicit Sealer(const SealerOptions& options);
  ~Sealer();
  Sealer(Sealer&&) noexcept;
  Sealer& operator=(Sealer&&) noexcept;

  void receive(std::string_view octets);
  // ARC-Seal, ARC-Message-Signature and ARC-Authentication-Results, folded, each with its line end. `status` is what
  // arc::Verifier found when the message came in, `results` all that was found then. A chain that did not pass is sealed
  // as failed, once (attack D9); nothing is added to one whose last seal says so already. REQUIRES: called once, last.
  [[nodiscard]] Result<std::string> receive_end(ChainStatus status, const AuthenticationResults& results, WallTime now);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace keystonemail::mailauth::arc
