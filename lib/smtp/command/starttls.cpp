// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// STARTTLS (RFC 3207).
#include "smtp/server_engine.hpp"

namespace keystonemail::smtp {

void ServerEngine::run_starttls(std::string_view argument) {
  if (secure_) return fault(PeerFault::tls_already_active);
  if (!options_->offer_starttls) return fault(PeerFault::tls_unavailable);
  if (!may(Verb::starttls)) return;
  if (!argument.empty()) return fault(PeerFault::no_argument_expected);
  ask(Question::starttls, StartTls{});
}

}  // namespace keystonemail::smtp
