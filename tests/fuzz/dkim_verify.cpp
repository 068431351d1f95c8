// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The first octet is the size of pieces, the rest is a message. Invariants: results do not depend on pieces, are at most
// ten, and what we sign verifies.
#include <cstdint>

#include "mail_signing.hpp"
#include "keystonemail/mailauth/dkim/method_results.hpp"
#include "keystonemail/mailauth/dkim/verifier.hpp"

using namespace keystonemail;
using namespace keystonemail::mailauth;

namespace {

std::vector<dkim::SignatureResult> verify(std::string_view message, std::size_t piece) {
  dkim::Verifier verifier({}, fuzz_time);
  run_engine(verifier, message, piece);
  require(verifier.results().size() <= 10);
  return verifier.results();
}

std::string written(const std::vector<dkim::SignatureResult>& results) {
  return format_authentication_results({"mx.example", dkim::method_results(results), 1, 0});
}

void check_signing(std::string_view message, dkim::Canonicalization form) {
  dkim::SignerOptions options;
  options.keys = {{"example.com", "s", fuzz_key()}};
  options.header = options.body = form;
  dkim::Signer signer(options);
  signer.receive(message);
  const auto fields = signer.receive_end(fuzz_time);
  if (!fields) return;
  const auto results = verify(*fields + std::string(message), std::string::npos);
  // It is the uppermost, unless more signatures of the author's domain than are looked at pushed it out.
  if (results.empty() || results[0].field != 0) return require(results.size() == 10 || !results[0].reason.empty());
  require(results[0].outcome == dkim::Outcome::pass || results[0].reason == "header too large");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view message(reinterpret_cast<const char*>(data) + 1, size - 1);
  require(written(verify(message, std::string_view::npos)) == written(verify(message, data[0] + 1u)));
  check_signing(message, dkim::Canonicalization::simple);
  check_signing(message, dkim::Canonicalization::relaxed);
  return 0;
}
