// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Forwarder: what mail needs that is passed on for somebody here: a sender of ours, so that SPF holds with whom it reaches
// (mailauth/srs), and a seal that says what we found when it came (RFC 8617), so that DMARC need not fail.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "keystonemail/base/result.hpp"
#include "keystonemail/base/time.hpp"
#include "keystonemail/mailauth/arc/sealer.hpp"
#include "keystonemail/mailauth/dkim/signer.hpp"
#include "keystonemail/mailauth/srs/rewriter.hpp"
#include "keystonemail/smtp/path.hpp"

namespace keystonemail::forwarding {

// The keys of a domain of ours (A-labels, lower case); null: it has none. Asked once for each message.
using KeyProvider = std::function<std::shared_ptr<const mailauth::dkim::SignerOptions>(std::string_view domain)>;

struct Options {
  std::optional<mailauth::srs::Options> srs;   // absent: senders stay as they are
  KeyProvider keys;                            // empty: nothing is sealed. RSA keys are used (RFC 8617 §4.1.3)
};

// One message's seal, made while it comes in: receive() its octets, header first.
// Threads: not synchronised. Limits: those of arc::Sealer.
class Seal {
 public:
  explicit Seal(const mailauth::dkim::SigningKey& key) : options_{.key = key}, sealer_(options_) {}
  Seal(const Seal&) = delete;
  Seal& operator=(const Seal&) = delete;
  void receive(std::string_view octets) { sealer_.receive(octets); }
  // As arc::Sealer::receive_end().
  [[nodiscard]] Result<std::string> finish(mailauth::arc::ChainStatus status, const mailauth::AuthenticationResults& results, WallTime now) {
    return sealer_.receive_end(status, results, now);
  }

 private:
  mailauth::arc::SealerOptions options_;
  mailauth::arc::Sealer sealer_;
};

// An address that some message of ours was sent from in place of another.
struct Original {
  smtp::Path path;
};
struct RefusedReturn {
  std::string why;
};
struct NoReturn {};                            // it is not of that kind
using Return = std::variant<NoReturn, Original, RefusedReturn>;

// Threads: any. Ownership: a value.
class Forwarder {
 public:
  // Errors: those of srs::check_options().
  [[nodiscard]] static Result<std::shared_ptr<const Forwarder>> create(Options options);

  // What takes the place of a sender that is not of our domains; nothing: the null sender, where the address would be too long.
  [[nodiscard]] std::string sender_for(const smtp::Path& sender, WallTime now) const;
  // What a recipient of ours stands for when it was such a sender. A refusal is for ever: it was made up, or is too old.
  [[nodiscard]] Return original_of(const smtp::Path& recipient, WallTime now) const;
  // For mail that is passed on by an address of `domain`. Null: no key.
  [[nodiscard]] std::unique_ptr<Seal> seal(std::string_view domain) const;

 private:
  explicit Forwarder(Options options);
  std::optional<mailauth::srs::Rewriter> rewriter_;
  KeyProvider keys_;
};

}  // namespace keystonemail::forwarding
