// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// ENVELOPE, BODY and BODYSTRUCTURE (RFC 9051 §7.5.2) from a mime::Summary.
#include <cassert>
#include <vector>

#include "imap/wire.hpp"
#include "keystonemail/imap/response.hpp"
#include "keystonemail/mime/summary.hpp"

namespace keystonemail::imap {
namespace {

enum class Detail : std::uint8_t { body, body_structure };

std::optional<std::string_view> nil_if_empty(std::string_view text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

class StructureWriter {
 public:
  StructureWriter(std::string& out, const Features& features, Detail detail)
      : out_(out), features_(features), detail_(detail) {}

  void envelope(const mime::Envelope& envelope) {
    out_ += '(';
    nstring(envelope.date);
    out_ += ' ';
    nstring(envelope.subject);
    for (const auto* list : {&envelope.from, &envelope.sender, &envelope.reply_to, &envelope.to, &envelope.cc,
                             &envelope.bcc}) {
      out_ += ' ';
      addresses(*list);
    }
    out_ += ' ';
    nstring(envelope.in_reply_to);
    out_ += ' ';
    nstring(envelope.message_id);
    out_ += ')';
  }

  // Walks the parts with a stack of its own: nesting costs no call depth.
  void structure(std::span<const mime::SummaryPart> parts) {
    if (parts.empty()) return nothing();
    struct Frame { std::size_t part; std::uint32_t due; };
    std::vector<Frame> open;
    std::size_t at = 0;
    for (;;) {
      begin(parts, at);
      open.push_back({at, begins_children(parts, at) ? parts[at].child_count : 0});
      ++at;
      while (!open.empty() && (open.back().due == 0 || at == parts.size())) {
        end(parts[open.back().part]);
        open.pop_back();
      }
      if (open.empty() || at == parts.size()) return;
      --open.back().due;
    }
  }

 private:
  static bool begins_children(std::span<const mime::SummaryPart> parts, std::size_t at) noexcept {
    return parts[at].kind != mime::PartKind::leaf && parts[at].child_count > 0 && at + 1 < parts.size();
  }

  void string(std::string_view text) { append_string(out_, text, features_); }
  void nstring(std::optional<std::string_view> text) { append_nstring(out_, text, features_); }
  void nothing() { out_ += "(\"text\" \"plain\" NIL NIL NIL \"7BIT\" 0 0)"; }

  // RFC 9051 §7.5.2: a NIL host is group syntax, so that of an address without domain is "".
  void address(const mime::EnvelopeAddress& address) {
    const bool mailbox = address.kind == mime::AddressKind::mailbox;
    out_ += '(';
    nstring(nil_if_empty(mailbox ? address.name : std::string_view()));
    out_ += ' ';
    nstring(nil_if_empty(address.route));
    out_ += ' ';
    nstring(mailbox || address.kind == mime::AddressKind::group_begin ? std::optional(address.local_part) : std::nullopt);
    out_ += ' ';
    nstring(mailbox ? std::optional(address.domain) : std::nullopt);
    out_ += ')';
  }

  void addresses(const mime::EnvelopeAddresses& list) {
    if (list.empty()) {
      out_ += "NIL";
      return;
    }
    out_ += '(';
    for (const auto& entry : list) address(entry);
    out_ += ')';
  }

  void parameters(const std::vector<mime::SummaryParameter>& list) {
    if (list.empty()) {
      out_ += "NIL";
      return;
    }
    std::string_view separator = "(";
    for (const auto& parameter : list) {
      out_.append(separator);
      if (parameter.extended) string(std::string(parameter.name) + '*');
      else string(parameter.name);
      out_ += ' ';
      string(parameter.value);
      separator = " ";
    }
    out_ += ')';
  }

  // body-fields = body-fld-param SP body-fld-id SP body-fld-desc SP body-fld-enc SP body-fld-octets
  void fields(const mime::SummaryPart& part) {
    parameters(part.parameters);
    out_ += ' ';
    nstring(part.id);
    out_ += ' ';
    nstring(part.description);
    out_ += ' ';
    const auto known = mime::to_string(part.encoding);
    string(known.empty() ? part.encoding_name.value_or("7BIT") : known);
    out_ += ' ';
    append_number(out_, part.body_octets());
  }

  // message/rfc822 promises an envelope and a body; one whose inside was not read cannot call itself that.
  static bool is_message(const mime::SummaryPart& part) noexcept {
    return part.type == "message" && (part.subtype == "rfc822" || part.subtype == "global");
  }

  void begin(std::span<const mime::SummaryPart> parts, std::size_t at) {
    const auto& part = parts[at];
    out_ += '(';
    if (part.kind == mime::PartKind::multipart) {
      if (!begins_children(parts, at)) nothing();  // 1*body
      return;
    }
    const bool inside = part.kind == mime::PartKind::message && begins_children(parts, at);
    if (is_message(part) && !inside) out_ += "\"application\" \"octet-stream\"";
    else string(part.type), out_ += ' ', string(part.subtype);
    out_ += ' ';
    fields(part);
    if (inside) {
      out_ += ' ';
      envelope(mime::decode_envelope(parts[at + 1].envelope));
      out_ += ' ';
    }
  }

  void end(const mime::SummaryPart& part) {
    if (part.kind == mime::PartKind::multipart) {
      out_ += ' ';
      string(part.subtype);
      if (detail_ == Detail::body_structure) {
        out_ += ' ';
        parameters(part.parameters);
        extension(part);
      }
    } else {
      if (part.type == "text" || (part.kind == mime::PartKind::message && part.child_count > 0)) {
        out_ += ' ';
        append_number(out_, part.lines);
      }
      if (detail_ == Detail::body_structure) {
        out_ += ' ';
        nstring(part.md5);
        extension(part);
      }
    }
    out_ += ')';
  }

  // [SP body-fld-dsp [SP body-fld-lang [SP body-fld-loc]]]
  void extension(const mime::SummaryPart& part) {
    if (part.disposition) {
      out_ += " (";
      string(*part.disposition);
      out_ += ' ';
      parameters(part.disposition_parameters);
      out_ += ')';
    } else {
      out_ += " NIL";
    }
    std::string_view separator = " (";
    for (const auto language : part.languages) {
      out_.append(separator);
      string(language);
      separator = " ";
    }
    out_ += part.languages.empty() ? " NIL " : ") ";
    nstring(part.location);
  }

  std::string& out_;
  const Features& features_;
  Detail detail_;
};

}  // namespace

void ResponseWriter::envelope(const mime::Envelope& envelope) {
  item("ENVELOPE ");
  StructureWriter(out_, features_, Detail::body).envelope(envelope);
}

void ResponseWriter::body(std::span<const mime::SummaryPart> parts) {
  item("BODY ");
  StructureWriter(out_, features_, Detail::body).structure(parts);
}

void ResponseWriter::body_structure(std::span<const mime::SummaryPart> parts) {
  item("BODYSTRUCTURE ");
  StructureWriter(out_, features_, Detail::body_structure).structure(parts);
}

}  // namespace keystonemail::imap
