// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// RCPT (RFC 5321 §4.1.1.3), with the ceilings of RFC 9422.
#include <algorithm>

#include "keystonemail/base/text.hpp"
#include "smtp/command/argument.hpp"
#include "smtp/parameter_parser.hpp"
#include "smtp/server_engine.hpp"

namespace keystonemail::smtp {

void ServerEngine::run_rcpt(std::string_view argument) {
  if (!may(Verb::rcpt)) return;
  if (recipients_ >= options_->recipients_max) {
    if (++recipients_over_ > options_->recipients_overshoot_max) return close_with(PeerFault::too_many_errors);
    return fault(PeerFault::too_many_recipients);
  }
  if (!take_prefix(argument, "TO:")) return fault(PeerFault::syntax);
  auto recipient = parse_path(argument, PathKind::forward);
  if (!recipient) return fault(recipient.error());
  auto parameters = parse_rcpt_parameters(argument, {*options_, secure_, !offered_mechanisms().empty()});
  if (!parameters) return fault(parameters.error());
  if (!smtputf8_ && !recipient->is_ascii()) return fault(PeerFault::utf8_not_announced);
  if (options_->recipient_domains_max != 0 && !note_domain(recipient->domain)) {
    return fault(PeerFault::too_many_domains);
  }
  ask(Question::rcpt, RcptTo{std::move(*recipient), std::move(*parameters)});
}

// Keeps a domain not seen before until its recipient is accepted.
bool ServerEngine::note_domain(std::string_view domain) {
  rcpt_domain_ = to_lower(domain);
  if (std::ranges::find(domains_, rcpt_domain_) != domains_.end()) {
    rcpt_domain_.clear();
    return true;
  }
  return domains_.size() < options_->recipient_domains_max;
}

}  // namespace keystonemail::smtp
