// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Transaction: what one MAIL ... end-of-data gathers, from sender to delivery.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/delivery/delivery.hpp"
#include "keystonemail/mime/header.hpp"
#include "keystonemail/smtp/server_event.hpp"

namespace keystonemail::reception {

// Keeps the header of a message that passes by: enough to count hops and see what is missing.
class HeaderCollector {
 public:
  explicit HeaderCollector(std::size_t octets_max) : octets_max_(octets_max) {}
  void feed(std::string_view piece);
  [[nodiscard]] bool too_large() const noexcept { return too_large_; }
  [[nodiscard]] const std::string& header() const noexcept { return header_; }

 private:
  std::size_t octets_max_;
  std::string header_;
  mime::HeaderEndFinder end_;
  bool complete_ = false;
  bool too_large_ = false;
};

struct Transaction {
  smtp::Path sender;
  smtp::MailParameters parameters;
  std::vector<delivery::LocalRecipient> local;      // one an account
  std::vector<std::string> local_addresses;         // beside it: for Delivered-To
  std::vector<queue::Recipient> remote;
  // For each accepted RCPT, in order, the accounts' places in `local` (LMTP answers by recipient).
  std::vector<std::vector<std::size_t>> accepted;
  std::string first_recipient;                      // as given
  std::unique_ptr<mailstore::MessageWriter> writer;
  std::optional<HeaderCollector> header;
};

// What the header of a submitted message lacks (RFC 6409 §8): fields to put on top.
struct HeaderFindings {
  std::uint32_t received = 0;
  bool has_date = false;
  bool has_message_id = false;
  std::string message_id;                           // as written, brackets included; empty if none
};
[[nodiscard]] HeaderFindings inspect_header(std::string_view header);

}  // namespace keystonemail::reception
