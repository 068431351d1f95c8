// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Message identifiers (RFC 5322 §3.6.4) and the base subject (RFC 5256 §2.1): what threads are made of.
//
// Ownership: views into the value given, or values. Threads: pure functions. Errors: none.
// Limits: limits::message_ids_max; linear time.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace keystonemail::mime {

// What stands between '<' and '>' in a Message-ID, In-Reply-To or References value, in order, without the brackets.
// Folding inside an identifier is kept out by the grammar; one that holds blanks is passed over.
[[nodiscard]] std::vector<std::string_view> parse_message_ids(std::string_view value);

struct BaseSubject {
  std::string text;               // UTF-8, blanks collapsed; compare codec::fold_case(text)
  bool reply_or_forward = false;  // something like "Re:" or "(fwd)" was taken away
};

// `subject` as it stands in the header; encoded words are decoded first.
[[nodiscard]] BaseSubject base_subject(std::string_view subject);

}  // namespace keystonemail::mime
