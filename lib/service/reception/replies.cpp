// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/reception/replies.hpp"

#include "keystonemail/base/text.hpp"

namespace keystonemail::reception {

smtp::Reply reply_for(const Error& error) {
  switch (error.kind()) {
    case ErrorKind::too_large: return {552, {5, 3, 4}, "Message too large"};
    case ErrorKind::over_quota:
      if (error.detail() == "queue") return {452, {4, 3, 1}, error.text()};  // the sender's share of it
      return {452, {4, 2, 2}, "Mailbox full"};
    case ErrorKind::unavailable: return {452, {4, 3, 1}, "Insufficient system storage, try again later"};
    case ErrorKind::timeout:
    case ErrorKind::cancelled: return {451, {4, 4, 2}, "Took too long, try again later"};
    case ErrorKind::not_found:  // who is unknown the directory has said; this one's mailboxes are gone, by damage or just now
    case ErrorKind::invalid:
    case ErrorKind::denied:
    case ErrorKind::conflict:
    case ErrorKind::corrupt:
    case ErrorKind::internal: return {451, {4, 3, 0}, "Local error in processing, try again later"};
  }
  return {451, {4, 3, 0}, "Local error in processing, try again later"};
}

smtp::Reply reply_of_directory(const Error& error) {
  if (error.kind() == ErrorKind::unavailable) return {451, {4, 3, 0}, "Addresses cannot be looked up now, try again later"};
  return reply_for(error);
}

smtp::Reply reply_for(const policy::Outcome& outcome) {
  const std::string_view status = outcome.refusal.status;  // "5.7.1"
  const auto dot = status.find('.', 2);
  const auto number = [](std::string_view digits) { return static_cast<std::uint16_t>(parse_decimal(digits, 999).value_or(0)); };
  return {outcome.refusal.code,
          {static_cast<std::uint8_t>(outcome.refusal.code / 100), number(status.substr(2, dot - 2)), number(status.substr(dot + 1))},
          outcome.refusal.text};
}

smtp::Reply gone_round() { return {554, {5, 4, 6}, "This message has gone on from that address before, it is going round in circles"}; }

}  // namespace keystonemail::reception
