// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/relay/envelope.hpp"

#include <algorithm>

#include "keystonemail/mime/address.hpp"

namespace keystonemail::relay {

namespace {

smtp::RcptParameters parameters_of(const queue::Recipient& recipient) {
  smtp::RcptParameters parameters;
  if (recipient.notify.specified) {
    parameters.notify = {.never = recipient.notify.never, .success = recipient.notify.success,
                         .failure = recipient.notify.failure, .delay = recipient.notify.delay};
  }
  const std::string& original = recipient.original_recipient;
  const std::size_t semicolon = original.find(';');
  if (semicolon == std::string::npos) return parameters;
  parameters.original_recipient_type = original.substr(0, semicolon);
  parameters.original_recipient = original.substr(semicolon + 1);
  return parameters;
}

}  // namespace

smtp::Path to_path(std::string_view address) {
  if (address.empty()) return {};
  if (const auto parsed = mime::Address::parse(address)) return {parsed->local_part(), parsed->domain()};
  const std::size_t at = std::min(address.rfind('@'), address.size());
  return {std::string(address.substr(0, at)), std::string(address.substr(std::min(at + 1, address.size())))};
}

smtp::ClientEnvelope envelope_for(const queue::Entry& entry, std::span<const std::size_t> recipients, WallTime now) {
  smtp::ClientEnvelope envelope;
  envelope.sender = to_path(entry.envelope.sender);
  envelope.binary = entry.envelope.binary;
  envelope.require_tls = entry.envelope.require_tls;
  envelope.dsn_return = static_cast<smtp::DsnReturn>(entry.envelope.dsn_return);
  envelope.envelope_id = entry.envelope.envelope_id;
  envelope.priority = entry.envelope.priority;
  if (const auto& by = entry.envelope.deliver_by) {
    envelope.deliver_by = smtp::DeliverBy{.within = std::chrono::floor<std::chrono::seconds>(by->when - now),
                                          .mode = by->returns ? smtp::DeliverByMode::return_to_sender : smtp::DeliverByMode::notify,
                                          .trace = by->trace};
  }
  for (const std::size_t index : recipients) {
    const queue::Recipient& recipient = entry.recipients[index];
    envelope.recipients.push_back({to_path(recipient.address), parameters_of(recipient)});
  }
  return envelope;
}

}  // namespace keystonemail::relay
