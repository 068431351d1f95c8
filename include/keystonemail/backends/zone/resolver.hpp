// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// zone: the resolver port on a zone text: tests, demonstrations, networks that stand alone.
#pragma once

#include "keystonemail/dns/zone.hpp"
#include "keystonemail/resolver/resolver.hpp"

namespace keystonemail::zone {

enum class Trust : std::uint8_t { unsigned_zone, as_if_signed };  // whether answers say that they are authenticated

// Answers from `zone` at once, and never suspends.
//
// Ownership: owns the zone. Threads: any.
class ZoneResolver final : public resolver::Resolver {
 public:
  explicit ZoneResolver(dns::Zone zone, Trust trust = Trust::unsigned_zone) : zone_(std::move(zone)), trust_(trust) {}

  [[nodiscard]] Task<Result<dns::Answer>> resolve(dns::Question question, Context context) override;

 private:
  const dns::Zone zone_;
  const Trust trust_;
};

}  // namespace keystonemail::zone
