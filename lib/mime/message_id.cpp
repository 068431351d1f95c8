// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mime/message_id.hpp"

#include <algorithm>

#include "keystonemail/base/text.hpp"
#include "keystonemail/mime/encoded_word.hpp"
#include "keystonemail/mime/limits.hpp"
#include "mime/scanner.hpp"

namespace keystonemail::mime {

// RFC 5322 §3.6.4  msg-id = [CFWS] "<" id-left "@" id-right ">" [CFWS]
// LENIENT: anything without blanks between the brackets; what stands outside them (§4.5.4 phrases) is passed over.
std::vector<std::string_view> parse_message_ids(std::string_view value) {
  std::vector<std::string_view> ids;
  while (ids.size() < limits::message_ids_max) {
    const std::size_t open = value.find('<');
    if (open == std::string_view::npos) break;
    value.remove_prefix(open + 1);
    const std::size_t end = value.find_first_of("<>");
    if (end == std::string_view::npos) break;
    const auto id = value.substr(0, end);
    if (value[end] == '>' && !id.empty() && std::ranges::none_of(id, is_blank)) ids.push_back(id);
    value.remove_prefix(end);
  }
  return ids;
}

namespace {

std::string collapse_blanks(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (!is_blank(c)) out.push_back(c);
    else if (!out.empty() && out.back() != ' ') out.push_back(' ');
  }
  if (out.ends_with(' ')) out.pop_back();
  return out;
}

void skip_blanks(std::string_view& text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
}

// subj-blob = "[" *BLOBCHAR "]" *WSP; its octets, 0 when there is none.
std::size_t blob_octets(std::string_view text) {
  if (!text.starts_with('[')) return 0;
  const std::size_t end = text.find_first_of("[]", 1);
  if (end == std::string_view::npos || text[end] != ']') return 0;
  return std::min(text.find_first_not_of(' ', end + 1), text.size());
}

// subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":"; its octets, 0 when there is none.
std::size_t refwd_octets(std::string_view text) {
  const std::string_view whole = text;
  if (istarts_with(text, "re")) text.remove_prefix(2);
  else if (istarts_with(text, "fwd")) text.remove_prefix(3);
  else if (istarts_with(text, "fw")) text.remove_prefix(2);
  else return 0;
  skip_blanks(text);
  text.remove_prefix(blob_octets(text));
  if (!text.starts_with(':')) return 0;
  return whole.size() - text.size() + 1;
}

class SubjectStripper {
 public:
  explicit SubjectStripper(std::string_view text) : text_(text) {}

  BaseSubject strip() {
    do {
      strip_trailers();
      while (strip_leader()) {
      }
    } while (strip_forward_header());
    return {std::string(text_), reply_or_forward_};
  }

 private:
  // Step 2: subj-trailer = "(fwd)" / WSP
  void strip_trailers() {
    while (true) {
      if (text_.ends_with(' ')) {
        text_.remove_suffix(1);
      } else if (text_.size() >= 5 && iequals(text_.substr(text_.size() - 5), "(fwd)")) {
        text_.remove_suffix(5);
        reply_or_forward_ = true;
      } else {
        return;
      }
    }
  }

  // Steps 3 to 5 for one leader. When blobs lead to no "re:", they go as long as something is left (step 4), all at
  // once, since another try would stop at the same place: this keeps it linear.
  bool strip_leader() {
    skip_blanks(text_);
    std::string_view rest = text_;
    std::string_view last_with_text = text_;
    while (const std::size_t octets = blob_octets(rest)) {
      rest.remove_prefix(octets);
      if (!rest.empty()) last_with_text = rest;
    }
    if (const std::size_t octets = refwd_octets(rest)) {
      text_ = rest.substr(octets);
      reply_or_forward_ = true;
      return true;
    }
    text_ = last_with_text;
    return false;
  }

  // Step 6: subj-fwd-hdr ... subj-fwd-trl = "[fwd:" ... "]"
  bool strip_forward_header() {
    if (!istarts_with(text_, "[fwd:") || !text_.ends_with(']')) return false;
    text_.remove_prefix(5);
    text_.remove_suffix(1);
    reply_or_forward_ = true;
    return true;
  }

  std::string_view text_;
  bool reply_or_forward_ = false;
};

}  // namespace

BaseSubject base_subject(std::string_view subject) {
  const std::string text = collapse_blanks(decode_text(subject));
  return SubjectStripper(text).strip();
}

}  // namespace keystonemail::mime
