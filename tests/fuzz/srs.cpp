// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What comes as an address of ours: only what forward() made has an origin, and what it made always has the same one.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "keystonemail/base/text.hpp"
#include "keystonemail/mailauth/srs/rewriter.hpp"

using namespace keystonemail;
namespace srs = keystonemail::mailauth::srs;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const srs::Rewriter rewriter({.domain = "us.test", .secrets = {std::string(32, 's')}});
  const WallTime now = WallTime(std::chrono::days(20'000));
  const std::string text(reinterpret_cast<const char*>(data), size);
  const srs::Mailbox as_recipient{text, "us.test"};
  if (rewriter.recognizes(as_recipient) && rewriter.reverse(as_recipient, now)) std::abort();  // it would have to guess 40 bits
  const std::size_t at = text.rfind('@');
  if (at == std::string::npos || at == 0 || at + 1 == text.size()) return 0;
  const srs::Mailbox sender{text.substr(0, at), text.substr(at + 1)};
  if (sender.domain.find('=') != std::string::npos) return 0;  // no domain has it
  const auto made = rewriter.forward(sender, now);
  if (!made) return 0;
  if (!rewriter.recognizes(*made)) std::abort();
  const auto back = rewriter.reverse(*made, now);
  if (!back) std::abort();
  const bool is_first = made->local.starts_with("SRS0");
  if (is_first && (back->local != sender.local || back->domain != to_lower(sender.domain))) std::abort();
  return 0;
}
