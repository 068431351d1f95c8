// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Address: an address that mail is routed by (RFC 5321 §4.1.2 Mailbox, RFC 6531 §3.3), as opposed to what a header
// shows. It is never decoded by RFC 2047, whatever it looks like (attack C8).
//
// Ownership: a value. Threads: immutable once made. Errors: std::nullopt. Limits: 64 octets of local part,
// 255 of domain, 254 in all (RFC 5321 §4.5.3.1).
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace keystonemail::mime {

class Address {
 public:
  // `mailbox` is "local@domain", local part quoted or not, UTF-8 allowed in both halves.
  [[nodiscard]] static std::optional<Address> parse(std::string_view mailbox);
  // From halves: the local part as meant, without quoting.
  [[nodiscard]] static std::optional<Address> make(std::string_view local_part, std::string_view domain);

  // As meant: without quotes and backslashes. Case is kept.
  [[nodiscard]] const std::string& local_part() const noexcept { return local_part_; }
  // A-labels in lower case, or an address literal such as "[192.0.2.1]" in its one form.
  [[nodiscard]] const std::string& domain() const noexcept { return domain_; }
  [[nodiscard]] bool has_address_literal() const noexcept { return domain_.starts_with('['); }
  // Whether a peer without SMTPUTF8 cannot be told it.
  [[nodiscard]] bool needs_smtputf8() const noexcept;

  // The form for the wire: quotes only where they are needed.
  [[nodiscard]] std::string to_string() const;
  // The form for people: the domain with U-labels.
  [[nodiscard]] std::string to_display() const;
  // Equal for addresses that one mailbox answers to: the local part in lower case and in NFC, as user names are compared
  // (RFC 8265 §3.3), since no writer knows which form his keyboard makes.
  [[nodiscard]] std::string key() const;

  // Octet by octet: the local part's case counts. Compare key() to ask whether mail goes to one place.
  friend auto operator<=>(const Address&, const Address&) = default;

 private:
  Address(std::string local_part, std::string domain) noexcept
      : local_part_(std::move(local_part)), domain_(std::move(domain)) {}

  std::string local_part_;
  std::string domain_;
};

// `local_part` quoted where RFC 5321 needs it.
[[nodiscard]] std::string quote_local_part(std::string_view local_part);

}  // namespace keystonemail::mime
