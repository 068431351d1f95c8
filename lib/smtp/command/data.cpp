// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// DATA (RFC 5321 §4.1.1.4).
#include "smtp/server_engine.hpp"

namespace keystonemail::smtp {

void ServerEngine::run_data(std::string_view argument) {
  if (!may(Verb::data)) return;
  if (!argument.empty()) return fault(PeerFault::no_argument_expected);
  if (body_ == BodyType::binary_mime) return fault(PeerFault::binary_needs_bdat);  // RFC 3030 §3
  ask(Question::message_begin, MessageBegin{Transfer::data});
}

}  // namespace keystonemail::smtp
