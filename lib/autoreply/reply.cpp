// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/autoreply/reply.hpp"

#include <algorithm>
#include <vector>

#include "keystonemail/base/text.hpp"
#include "keystonemail/mime/builder.hpp"
#include "keystonemail/mime/encoded_word.hpp"
#include "keystonemail/mime/header.hpp"
#include "keystonemail/mime/message_id.hpp"

namespace keystonemail::autoreply {
namespace {

constexpr std::string_view usual_subject = "Automated reply";  // RFC 5230 §5.3
constexpr std::string_view usual_text = "I am away, and will read your message when I am back.\n";

// Whole characters.
std::string cut(std::string text, std::size_t octets_max) {
  if (text.size() <= octets_max) return text;
  std::size_t end = octets_max;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  text.resize(end);
  return text + "...";
}

std::string subject_of(const Settings& settings, std::string_view header) {
  if (!settings.subject.empty()) return settings.subject;
  const auto field = mime::find_field(header, mime::FieldName::subject);
  const std::string original = field ? mime::decode_text(field->value) : std::string();
  const std::string_view words = trim(original);
  return words.empty() ? std::string(usual_subject) : "Auto: " + cut(std::string(words), limits::quoted_subject_octets_max);
}

std::vector<std::string> ids_of(std::string_view header, mime::FieldName name) {
  const auto field = mime::find_field(header, name);
  std::vector<std::string> out;
  if (!field) return out;
  const std::string value = mime::unfold(field->value);
  const auto is_printable = [](char c) { return c > ' ' && c < 0x7f; };
  for (const std::string_view id : mime::parse_message_ids(value))
    if (id.size() <= limits::message_id_octets_max && std::ranges::all_of(id, is_printable)) out.push_back("<" + std::string(id) + ">");
  return out;
}

// RFC 5322 §3.6.4: those of the message, or what it answers itself, and its own.
std::vector<std::string> references_of(std::string_view header, const std::string& message_id) {
  std::vector<std::string> all = ids_of(header, mime::FieldName::references);
  if (all.empty()) {
    all = ids_of(header, mime::FieldName::in_reply_to);
    if (all.size() > 1) all.clear();
  }
  all.push_back(message_id);
  if (all.size() > limits::references_max) all.erase(all.begin() + 1, all.end() - (limits::references_max - 1));
  return all;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

}  // namespace

std::string build_reply(const Settings& settings, const Answer& answer) {
  mime::MessageBuilder message;
  message.date({answer.now, {}}).from({answer.from_name, answer.from_address}).to({"", answer.to});
  message.subject(subject_of(settings, answer.header)).message_id(answer.unique + "@" + answer.hostname);
  const auto ids = ids_of(answer.header, mime::FieldName::message_id);
  if (!ids.empty()) {
    message.raw_field("In-Reply-To", ids.front());
    message.raw_field("References", joined(references_of(answer.header, ids.front())));
  }
  message.raw_field("Auto-Submitted", "auto-replied");  // RFC 3834 §3.1.7
  if (!settings.text.empty() || settings.html.empty()) {
    std::string text(settings.text.empty() ? usual_text : std::string_view(settings.text));
    if (!text.ends_with('\n')) text += '\n';
    message.text(text);
  }
  if (!settings.html.empty()) message.html(settings.html);
  return message.build(answer.seed);
}

}  // namespace keystonemail::autoreply
