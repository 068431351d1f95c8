// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/forwarding/report_route.hpp"

#include <utility>
#include <variant>

#include "base/try.hpp"

namespace keystonemail::forwarding {

Task<Result<bool>> address_report(directory::Directory& directory, const Forwarder* forwarder, std::string sender,
                                  const queue::Envelope& original, delivery::Submission& submission, Context context) {
  if (sender.empty()) co_return false;  // RFC 3461 §6.1: never a report for a report
  if (const auto path = smtp::parse_mailbox(sender); path && forwarder != nullptr) {
    const auto returned = forwarder->original_of(*path, context.executor->wall_now());
    if (const auto* known = std::get_if<Original>(&returned)) sender = known->path.to_string();
  }
  KM_CO_TRY(auto resolution, co_await directory.resolve(sender, context));
  std::vector<std::string> remote;
  if (auto* here = std::get_if<directory::Mailboxes>(&resolution)) {
    for (auto& mailbox : here->local) {
      delivery::LocalRecipient& recipient = submission.local.emplace_back();
      recipient.account = mailbox.account;
      recipient.prefix = "Return-Path: <>\r\n";
      if (!mailbox.address.empty()) recipient.prefix += "Delivered-To: " + mailbox.address + "\r\n";
    }
    for (auto& address : here->remote) remote.push_back(std::move(address.address));
  } else if (std::holds_alternative<directory::NotLocal>(resolution)) {
    remote.push_back(std::move(sender));
  }
  if (submission.local.empty() && remote.empty()) co_return false;
  if (remote.empty()) co_return true;
  queue::NewEntry& report = submission.remote.emplace();
  report.envelope.smtputf8 = original.smtputf8;
  report.envelope.require_tls = original.require_tls;  // RFC 8689 §5
  report.envelope.tls_optional = original.tls_optional;
  report.envelope.priority = original.priority;  // RFC 6710 §4.6
  report.envelope.eight_bit = original.eight_bit || original.smtputf8;
  for (std::string& address : remote) {
    queue::Recipient& recipient = report.recipients.emplace_back();
    recipient.address = std::move(address);
    recipient.notify = {.specified = true, .never = true};
  }
  co_return true;
}

}  // namespace keystonemail::forwarding
