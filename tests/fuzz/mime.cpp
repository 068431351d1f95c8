// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Any octets are a message: its spans put together again give it back, its summary says where everything lies, and
// the same octets read as a summary are read within bounds.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/base64.hpp"
#include "keystonemail/codec/charset.hpp"
#include "keystonemail/codec/modified_utf7.hpp"
#include "keystonemail/mime/encoded_word.hpp"
#include "keystonemail/mime/limits.hpp"
#include "keystonemail/mime/message.hpp"
#include "keystonemail/mime/message_id.hpp"
#include "keystonemail/mime/section.hpp"
#include "keystonemail/mime/summary.hpp"

using namespace keystonemail;
using namespace keystonemail::mime;

namespace {

void require(bool claim) {
  if (!claim) __builtin_trap();
}

std::string serialize(const Message& message) {
  std::string out;
  std::uint32_t at = 0;
  for (const Part& part : message.parts()) {
    out += message.raw().substr(at, part.header_begin - at);
    for (const Field& field : message.fields(part)) out += field.raw;
    out += message.header(part).substr(out.size() - part.header_begin);
    at = part.body_begin;
  }
  return out + std::string(message.raw().substr(at));
}

void read_envelope(const Envelope& envelope) {
  for (const auto& list : {envelope.from, envelope.sender, envelope.reply_to, envelope.to, envelope.cc, envelope.bcc})
    for (const EnvelopeAddress& address : list) require(address.kind <= AddressKind::group_end);
  if (envelope.subject) require(is_utf8(base_subject(*envelope.subject).text));
}

// All that can be asked of a summary, sound or not.
void read_summary(const Summary& summary, std::string_view raw) {
  read_envelope(summary.envelope());
  (void)summary.date();
  (void)summary.message_id();
  (void)summary.references();
  const auto parts = summary.parts();
  require(!parts.empty() && parts.size() <= limits::parts_max);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const SummaryPart& part = parts[i];
    require(part.header_begin <= part.body_begin && part.body_begin <= part.body_end);
    require(part.parent == no_part || part.parent < i);
    require(is_utf8(part.file_name()));
    read_envelope(decode_envelope(part.envelope));
    if (i > 8) continue;
    const auto body = Span{part.body_begin, part.body_octets()}.of(raw);
    TextDecoder decoder(part);
    std::string text;
    decoder.append(text, body);
    decoder.finish(text);
    require(is_utf8(text) && text.size() <= 4 * body.size() + 4);
  }
  for (std::uint32_t a = 0; a < 3; ++a)
    for (std::uint32_t b = 0; b < 3; ++b)
      for (const auto text : {SectionText::all, SectionText::header, SectionText::text, SectionText::mime}) {
        const std::uint32_t path[] = {a, b};
        if (const auto span = find_section(parts, path, text)) (void)span->of(raw);
      }
}

void check_parts(const Message& message) {
  require(message.parts().size() <= limits::parts_max);
  for (const Part& part : message.parts()) {
    require(part.header_begin <= part.body_begin && part.body_begin <= part.body_end && part.body_end <= message.raw().size());
    if (part.parent == no_part) continue;
    const Part& parent = message.parts()[part.parent];
    require(part.header_begin >= parent.body_begin && part.body_end <= parent.body_end);
  }
}

void check_codecs(std::string_view text) {
  if (const auto body = codec::decode_base64_body(text)) require(codec::encode_base64(body->octets, body->layout) == text);
  if (const auto name = codec::decode_modified_utf7(text)) require(codec::encode_modified_utf7(*name) == text);
  require(is_utf8(decode_text(text)));
  require(is_utf8(html_to_text(codec::to_utf8(text, "utf-8"))));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string raw(reinterpret_cast<const char*>(data), size);
  const Message message = Message::parse(raw);
  require(serialize(message) == raw);
  check_parts(message);
  const std::string encoded = encode_summary(message);
  if (takes_trace(message)) {
    const std::string trace = "Return-Path: <a@b>\r\nReceived: by c\r\n";
    const std::string whole = trace + std::string(message.raw());
    if (summary_behind_trace(encoded, trace.size()) != encode_summary(Message::parse(whole))) __builtin_trap();
  }
  const Summary summary(encoded);
  require(summary.valid());
  require(summary.parts().size() == message.parts().size());
  require(is_utf8(summary.preview()));
  read_summary(summary, raw);
  read_summary(Summary(raw), raw);
  check_codecs(raw);
  return 0;
}
