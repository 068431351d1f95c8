// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The first octet is the size of pieces, the rest is a message. Invariants: the chain does not depend on pieces; sealed by
// us a message without chain or with a good one has a good one, with a broken one it has one that failed.
#include <cstdint>

#include "mail_signing.hpp"
#include "keystonemail/mailauth/arc/sealer.hpp"
#include "keystonemail/mailauth/arc/verifier.hpp"

using namespace keystonemail;
using namespace keystonemail::mailauth;

namespace {

arc::Chain verify(std::string_view message, std::size_t piece) {
  arc::Verifier verifier({}, fuzz_time);
  run_engine(verifier, message, piece);
  const auto& chain = verifier.chain();
  require(chain.sets.size() <= 50 && chain.sets.empty() == (chain.status != arc::ChainStatus::pass));
  return chain;
}

void check_sealing(std::string_view message, arc::ChainStatus status) {
  const arc::SealerOptions options{.key = {"example.com", "s", fuzz_key()}};
  arc::Sealer sealer(options);
  sealer.receive(message);
  const auto fields = sealer.receive_end(status, {"example.com", {}, 1, 0}, fuzz_time);
  if (!fields) return;
  const auto chain = verify(*fields + std::string(message), std::string_view::npos);
  if (chain.reason == "header too large") return;
  require((status == arc::ChainStatus::fail) == (chain.status == arc::ChainStatus::fail));
  if (status != arc::ChainStatus::fail) require(chain.status == arc::ChainStatus::pass);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view message(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto chain = verify(message, std::string_view::npos);
  const auto pieces = verify(message, data[0] + 1u);
  require(chain.status == pieces.status && chain.reason == pieces.reason);
  check_sealing(message, chain.status);
  return 0;
}
