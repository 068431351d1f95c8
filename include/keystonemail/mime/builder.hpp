// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// MessageBuilder writes a correct message: header folded at 78 columns, encoded words and RFC 2231 where needed,
// text in the plainest encoding that carries it, attachments in base64.
//
//   std::string raw = mime::MessageBuilder()
//                         .date({now, {}})
//                         .from({"Anna", "anna@example.com"})
//                         .to({"", "bob@example.net"})
//                         .subject("Grüße")
//                         .text("Hallo!\r\n")
//                         .build(seed);
//
// Ownership: a value; it copies what it is given. Threads: for one thread.
// Errors: none. Line ends and NUL in header values become blanks, so nothing can be injected (attack A10).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "keystonemail/mime/date.hpp"

namespace keystonemail::mime {

struct NamedAddress {
  std::string name;     // UTF-8, may be empty
  std::string address;  // "local@domain"
};

struct Attachment {
  std::string content_type = "application/octet-stream";
  std::string file_name;  // UTF-8, may be empty
  std::string octets;
  std::string disposition = "attachment";
};

class MessageBuilder {
 public:
  MessageBuilder& date(const ZonedTime& when);
  MessageBuilder& from(const NamedAddress& who);
  MessageBuilder& to(const NamedAddress& who);  // may be called again for more
  MessageBuilder& cc(const NamedAddress& who);
  MessageBuilder& subject(std::string_view utf8);
  MessageBuilder& message_id(std::string_view id);  // without brackets
  // Any other unstructured field. Fields are written in the order of the calls.
  MessageBuilder& field(std::string_view name, std::string_view utf8);
  // A field whose value is written as it stands, folded only at blanks.
  MessageBuilder& raw_field(std::string_view name, std::string_view value);
  MessageBuilder& text(std::string_view utf8);
  MessageBuilder& html(std::string_view utf8);
  MessageBuilder& attach(Attachment attachment);
  // A part given whole: its Content-Type with parameters, and its body as it stands. For reports (RFC 3464).
  MessageBuilder& part(std::string_view content_type, std::string_view body);
  // Makes the outermost multipart "multipart/<subtype_and_parameters>", such as "report; report-type=delivery-status".
  MessageBuilder& multipart(std::string_view subtype_and_parameters);

  // The message, CRLF line ends. Boundaries derive from `seed` and do not occur in the content.
  [[nodiscard]] std::string build(std::uint64_t seed) const;

 private:
  struct RawPart { std::string content_type, body; };

  MessageBuilder& add_address(std::string_view name, const NamedAddress& who);

  std::vector<std::pair<std::string, std::string>> fields_;  // name, encoded value
  std::string text_, html_, multipart_;
  bool has_text_ = false, has_html_ = false;
  std::vector<Attachment> attachments_;
  std::vector<RawPart> raw_parts_;
};

// "Name: value" folded at blanks so that lines stay within 78 columns where they can (RFC 5322 §2.2.3), with CRLF.
void append_folded_field(std::string& out, std::string_view name, std::string_view value);

}  // namespace keystonemail::mime
