// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// MAIL (RFC 5321 §4.1.1.2).
#include "keystonemail/base/text.hpp"
#include "smtp/command/argument.hpp"
#include "smtp/parameter_parser.hpp"
#include "smtp/server_engine.hpp"

namespace keystonemail::smtp {

void ServerEngine::run_mail(std::string_view argument) {
  if (!may(Verb::mail)) return;
  if (options_->require_auth && !authenticated_) return fault(PeerFault::auth_required);
  if (options_->transactions_max != 0 && transactions_ >= options_->transactions_max) {
    return fault(PeerFault::too_many_transactions);
  }
  if (!take_prefix(argument, "FROM:")) return fault(PeerFault::syntax);
  auto sender = parse_path(argument, PathKind::reverse);
  if (!sender) return fault(sender.error());
  auto parameters = parse_mail_parameters(argument, {*options_, secure_, !offered_mechanisms().empty()});
  if (!parameters) return fault(parameters.error());
  if (!parameters->smtputf8 && !sender->is_ascii()) return fault(PeerFault::utf8_not_announced);
  body_ = parameters->body;
  smtputf8_ = parameters->smtputf8;
  ask(Question::mail, MailFrom{std::move(*sender), std::move(*parameters)});
}

}  // namespace keystonemail::smtp
