// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// RSET, NOOP, QUIT, HELP (RFC 5321 §4.1.1.5 to §4.1.1.10), and those we do not serve: VRFY, EXPN (§7.3), ETRN.
#include "smtp/server_engine.hpp"

namespace keystonemail::smtp {

void ServerEngine::run_rset(std::string_view argument) {
  if (!argument.empty()) return fault(PeerFault::no_argument_expected);
  reset_due_ = in_transaction(state_);
  end_transaction();
  reply(250, {2, 0, 0}, "Reset");
}

void ServerEngine::run_noop(std::string_view) { reply(250, {2, 0, 0}, "OK"); }

void ServerEngine::run_quit(std::string_view argument) {
  if (!argument.empty()) return fault(PeerFault::no_argument_expected);
  reply(221, {2, 0, 0}, "Bye");
  close(CloseReason::quit);
}

// §3.5.3: 252 neither confirms nor denies, and the state stays (attack A12).
void ServerEngine::run_vrfy(std::string_view argument) {
  if (argument.empty()) return fault(PeerFault::argument_missing);
  reply(252, {2, 0, 0}, "Cannot verify, but will take mail and try");
}

void ServerEngine::run_help(std::string_view) { reply(214, {2, 0, 0}, "See RFC 5321"); }

void ServerEngine::run_not_implemented(std::string_view) { fault(PeerFault::not_implemented); }

}  // namespace keystonemail::smtp
