// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mime/message.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <string>
#include <utility>

#include "keystonemail/base/text.hpp"
#include "keystonemail/mime/limits.hpp"
#include "mime/line_count.hpp"

namespace keystonemail::mime {
namespace {

// RFC 5322 §3.6 and RFC 2045: fields that stand once at most.
constexpr std::array singular_fields = {
    FieldName::date,       FieldName::from,         FieldName::sender,       FieldName::reply_to,
    FieldName::to,         FieldName::cc,           FieldName::bcc,          FieldName::message_id,
    FieldName::in_reply_to, FieldName::references,  FieldName::subject,      FieldName::mime_version,
    FieldName::content_type, FieldName::content_transfer_encoding, FieldName::content_id,
    FieldName::content_disposition, FieldName::content_description};

constexpr std::uint64_t bit_of(FieldName name) { return std::uint64_t{1} << static_cast<unsigned>(name); }

constexpr std::uint64_t singular_bits = [] {
  std::uint64_t bits = 0;
  for (const FieldName name : singular_fields) bits |= bit_of(name);
  return bits;
}();

constexpr std::size_t boundary_octets_max = 70;  // RFC 2046 §5.1.1

// RFC 2046 §5.1.1  bcharsnospace and space.
bool is_boundary(std::string_view boundary) {
  return boundary.size() <= boundary_octets_max && std::ranges::all_of(boundary, [](char c) {
           return is_alpha(c) || is_digit(c) || std::string_view("'()+_,-./:=? ").find(c) != std::string_view::npos;
         });
}

std::string_view without_trailing_blanks(std::string_view line) {
  while (!line.empty() && (line.back() == ' ' || line.back() == '\t' || line.back() == '\r' || line.back() == '\n'))
    line.remove_suffix(1);
  return line;
}

// Octets of the line end that `text` ends with.
std::uint32_t line_end_octets(std::string_view text) {
  if (!text.ends_with('\n')) return 0;
  return text.ends_with("\r\n") ? 2 : 1;
}

PartKind kind_of(const ContentType& type) {
  if (type.type == "multipart") return PartKind::multipart;
  return type.is("message/rfc822") || type.is("message/global") ? PartKind::message : PartKind::leaf;
}

bool is_identity(TransferEncoding encoding) {
  return encoding == TransferEncoding::seven_bit || encoding == TransferEncoding::eight_bit ||
         encoding == TransferEncoding::binary;
}

}  // namespace

// Reads the text once, line by line. open_ is the path from the message to the entity being read: the stack that
// recursion would have, with a ceiling.
class MessageParser {
 public:
  explicit MessageParser(std::string_view raw) : raw_(raw) {
    message_.raw_ = raw;
    message_.fields_.reserve(32);
    message_.parts_.reserve(4);
    open_.reserve(4);
  }

  Message parse() {
    if (raw_.size() > limits::message_octets_max) {
      add_defect(DefectKind::too_large, 0);
      raw_ = raw_.substr(0, limits::message_octets_max);
      message_.raw_ = raw_;
    }
    open_entity(no_part, false);
    while (position_ < raw_.size()) {
      if (boundaries_ == 0) {
        lines_ += count_line_ends(raw_.substr(position_)).line_feeds;
        position_ = size();
      } else {
        read_line();
      }
    }
    close_down_to(0, size(), Ending::text);
    check_line_ends();
    return std::move(message_);
  }

 private:
  struct Open {
    std::uint32_t part;
    std::uint32_t lines_before;  // line ends before its body
    std::string boundary;        // of a multipart whose end has not been seen; else empty
    bool digest = false;
  };

  enum class Ending : std::uint8_t { delimiter, text };

  struct Delimiter {
    std::size_t level;
    bool closing;
  };

  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(raw_.size()); }
  [[nodiscard]] Part& part_at(std::size_t level) { return message_.parts_[open_[level].part]; }

  void add_defect(DefectKind kind, std::size_t offset) {
    if (is_ambiguous(kind)) message_.ambiguous_ = true;
    if (message_.defects_.size() < limits::defects_max)
      message_.defects_.push_back({kind, static_cast<std::uint32_t>(offset)});
  }

  // Begins the entity whose header starts here, and those that start right inside it.
  void open_entity(std::uint32_t parent, bool digest_child) {
    while (true) {
      const auto index = static_cast<std::uint32_t>(message_.parts_.size());
      if (parent != no_part) ++message_.parts_[parent].child_count;
      Part& part = message_.parts_.emplace_back();
      part.parent = parent;
      part.header_begin = position_;
      part.digest_child = digest_child;
      open_.push_back({index, 0, {}});
      read_header(part);
      part.body_begin = position_;
      part.body_end = position_;
      open_.back().lines_before = lines_;
      enter(part);
      if (part.kind != PartKind::message) return;
      if (message_.parts_.size() >= limits::parts_max) return limit_met(part, DefectKind::too_many_parts);
      parent = index;
      digest_child = false;
    }
  }

  // Decides what the entity just opened holds.
  void enter(Part& part) {
    const auto value = message_.value(part, FieldName::content_type);
    if (!value && !part.digest_child) return;
    ContentType type;
    if (value) type = parse_content_type(*value);
    if (value && !type.valid) add_defect(DefectKind::content_type_invalid, part.header_begin);
    if (type.ambiguous) add_defect(DefectKind::parameter_ambiguous, part.header_begin);
    const PartKind kind = value ? kind_of(type) : PartKind::message;
    if (kind == PartKind::leaf) return;
    if (open_.size() >= limits::depth_max) return limit_met(part, DefectKind::too_deep);
    if (kind == PartKind::multipart) return enter_multipart(part, type);
    if (!is_identity(part.encoding)) return add_defect(DefectKind::transfer_encoding_on_multipart, part.header_begin);
    part.kind = kind;
  }

  void enter_multipart(Part& part, const ContentType& type) {
    if (!is_identity(part.encoding)) add_defect(DefectKind::transfer_encoding_on_multipart, part.header_begin);
    const Parameter* parameter = find_parameter(type.parameters, "boundary");
    if (parameter == nullptr) return add_defect(DefectKind::boundary_missing, part.header_begin);
    std::string boundary(without_trailing_blanks(parameter->extended ? parameter->decoded() : parameter->value));
    if (boundary.empty() || !is_boundary(boundary)) add_defect(DefectKind::boundary_invalid, part.header_begin);
    if (boundary.empty()) return;
    const bool reused = std::ranges::any_of(open_, [&](const Open& open) { return open.boundary == boundary; });
    if (reused) add_defect(DefectKind::boundary_reused, part.header_begin);
    part.kind = PartKind::multipart;
    open_.back().boundary = std::move(boundary);
    open_.back().digest = type.subtype == "digest";
    ++boundaries_;
  }

  void limit_met(Part& part, DefectKind kind) {
    part.opaque = true;
    part.kind = PartKind::leaf;
    add_defect(kind, part.header_begin);
  }

  // One line of content while a multipart is open.
  void read_line() {
    const std::size_t begin = position_;
    const std::size_t end = line_end(begin);
    if (raw_[begin] == '-' && end - begin > 2 && raw_[begin + 1] == '-') {
      if (const auto delimiter = find_delimiter(begin, end)) return cross(*delimiter, begin, end);
    }
    take_line(end);
  }

  [[nodiscard]] std::size_t line_end(std::size_t from) const {
    const void* newline = std::memchr(raw_.data() + from, '\n', raw_.size() - from);
    return newline == nullptr ? raw_.size() : static_cast<std::size_t>(static_cast<const char*>(newline) - raw_.data()) + 1;
  }

  void take_line(std::size_t end) {
    if (raw_[end - 1] == '\n') ++lines_;
    position_ = static_cast<std::uint32_t>(end);
  }

  // RFC 2046 §5.1.1  delimiter := CRLF "--" boundary, then blanks at most. The whole line is compared, although the
  // RFC would let a line that only begins so pass: with a boundary that begins like another one, that reading is not
  // unique. Such lines make the message ambiguous.
  std::optional<Delimiter> find_delimiter(std::size_t begin, std::size_t end) {
    const std::string_view line = without_trailing_blanks(raw_.substr(begin + 2, end - begin - 2));
    bool prefix_seen = false;
    std::optional<Delimiter> found;
    for (std::size_t level = open_.size(); level-- > 0 && !found;) {
      const std::string& boundary = open_[level].boundary;
      if (boundary.empty() || !line.starts_with(boundary)) continue;
      if (line.size() == boundary.size()) found = Delimiter{level, false};
      else if (line.size() == boundary.size() + 2 && line.ends_with("--")) found = Delimiter{level, true};
      else prefix_seen = true;
    }
    if (prefix_seen) add_defect(DefectKind::boundary_prefix_line, begin);
    return found;
  }

  // Passes a delimiter line: what was open inside that multipart ends before it.
  void cross(const Delimiter& delimiter, std::size_t begin, std::size_t end) {
    close_down_to(delimiter.level + 1, static_cast<std::uint32_t>(begin), Ending::delimiter);
    take_line(end);
    Open& multipart = open_[delimiter.level];
    if (delimiter.closing) {
      multipart.boundary.clear();
      --boundaries_;
    } else if (message_.parts_.size() >= limits::parts_max) {
      limit_parts();
    } else {
      open_entity(multipart.part, multipart.digest);
    }
  }

  // The rest of the text belongs to the part read last.
  void limit_parts() {
    add_defect(DefectKind::too_many_parts, position_);
    for (Open& open : open_) open.boundary.clear();
    boundaries_ = 0;
  }

  // Ends the entities at `level` and deeper where the delimiter line, or the end of the text, begins. The line end
  // before a delimiter belongs to it, unless it is the empty line of the innermost entity's header.
  void close_down_to(std::size_t level, std::uint32_t at, Ending ending) {
    if (open_.size() <= level) return;
    const std::uint32_t body_begin = message_.parts_[open_.back().part].body_begin;
    std::uint32_t stripped = 0;
    if (ending == Ending::delimiter && at > body_begin) stripped = line_end_octets(raw_.substr(body_begin, at - body_begin));
    const std::uint32_t end = std::max(at, body_begin) - stripped;
    const std::uint32_t line_ends = lines_ - (stripped > 0 ? 1 : 0);
    while (open_.size() > level) {
      const Open& open = open_.back();
      Part& part = message_.parts_[open.part];
      if (!open.boundary.empty()) {
        add_defect(DefectKind::multipart_without_end, part.header_begin);
        --boundaries_;
      }
      close(part, line_ends - open.lines_before, end);
      open_.pop_back();
    }
  }

  void close(Part& part, std::uint32_t line_ends, std::uint32_t end) {
    part.body_end = end;
    const bool unterminated = part.body_end > part.body_begin && raw_[part.body_end - 1] != '\n';
    part.lines = line_ends + (unterminated ? 1 : 0);
    if (part.kind == PartKind::multipart && part.child_count == 0) {
      add_defect(DefectKind::multipart_empty, part.header_begin);
      part.kind = PartKind::leaf;
    }
  }

  // Reads fields up to the empty line, a delimiter of a multipart around, or the end.
  void read_header(Part& part) {
    part.first_field = static_cast<std::uint32_t>(message_.fields_.size());
    HeaderReader reader(raw_.substr(position_));
    const std::uint32_t begin = position_;
    bool cut = false;
    std::uint64_t seen = 0;
    while (!(cut = delimiter_at(begin + reader.octets()))) {
      const auto field = reader.next();
      if (!field) break;
      take_field(*field, seen);
    }
    part.field_count = static_cast<std::uint32_t>(message_.fields_.size()) - part.first_field;
    position_ = begin + static_cast<std::uint32_t>(reader.octets());
    const std::string_view header = raw_.substr(begin, position_ - begin);
    lines_ += count_line_ends(header).line_feeds;
    check_header(header, reader.ended(), begin);
    check_content_fields(part);
  }

  [[nodiscard]] bool delimiter_at(std::size_t begin) {
    if (boundaries_ == 0 || raw_.size() - begin < 3 || raw_[begin] != '-' || raw_[begin + 1] != '-') return false;
    return find_delimiter(begin, line_end(begin)).has_value();
  }

  void take_field(const Field& field, std::uint64_t& seen) {
    const auto offset = static_cast<std::size_t>(field.raw.data() - raw_.data());
    header_octets_ += field.raw.size();
    if (header_octets_ > limits::header_octets_max || message_.fields_.size() >= limits::header_fields_max) {
      if (!header_limit_met_) add_defect(DefectKind::header_too_large, offset);
      header_limit_met_ = true;
      return;
    }
    if (field.id == FieldName::malformed) add_defect(DefectKind::header_line_malformed, offset);
    else if (field.raw[field.name.size()] != ':') add_defect(DefectKind::blank_before_colon, offset);
    if ((singular_bits & seen & bit_of(field.id)) != 0) add_defect(DefectKind::duplicate_field, offset);
    seen |= bit_of(field.id);
    Field& kept = message_.fields_.emplace_back(field);
    if (field.raw.size() <= limits::header_field_octets_max) return;
    add_defect(DefectKind::header_too_large, offset);
    kept.id = FieldName::other;  // opaque: nobody looks into it
  }

  void check_header(std::string_view header, bool ended, std::uint32_t begin) {
    if (!ended) add_defect(DefectKind::header_without_end, begin);
    if (std::memchr(header.data(), '\0', header.size()) != nullptr) add_defect(DefectKind::nul, begin);
    if (!is_utf8(header)) add_defect(DefectKind::eight_bit_header, begin);
  }

  void check_content_fields(Part& part) {
    if (const auto encoding = message_.value(part, FieldName::content_transfer_encoding)) {
      part.encoding = parse_transfer_encoding(*encoding);
      if (part.encoding == TransferEncoding::unknown) add_defect(DefectKind::transfer_encoding_unknown, part.header_begin);
    }
    const auto disposition = message_.value(part, FieldName::content_disposition);
    if (disposition && parse_content_disposition(*disposition).ambiguous)
      add_defect(DefectKind::parameter_ambiguous, part.header_begin);
  }

  // RFC 5322 §2.3: CR and LF only occur together.
  void check_line_ends() {
    const LineEndCount count = count_line_ends(raw_);
    if (count.carriage_returns > count.pairs) add_defect(DefectKind::bare_cr, 0);
    if (count.line_feeds > count.pairs) add_defect(DefectKind::bare_lf, 0);
  }

  std::string_view raw_;
  Message message_;
  std::vector<Open> open_;
  std::size_t boundaries_ = 0;  // entries of open_ with a boundary
  std::uint32_t position_ = 0;
  std::uint32_t lines_ = 0;     // line ends before position_
  std::size_t header_octets_ = 0;
  bool header_limit_met_ = false;
};

Message Message::parse(std::string_view raw) { return MessageParser(raw).parse(); }

bool Message::has_defect(DefectKind kind) const noexcept {
  return std::ranges::any_of(defects_, [kind](const Defect& defect) { return defect.kind == kind; });
}

std::optional<std::string_view> Message::value(const Part& part, FieldName name) const noexcept {
  for (const Field& field : fields(part))
    if (field.id == name) return field.value;
  return std::nullopt;
}

ContentType Message::content_type(const Part& part) const {
  ContentType result;
  if (part.digest_child) result.type = "message", result.subtype = "rfc822";
  if (const auto given = value(part, FieldName::content_type)) result = parse_content_type(*given);
  if (part.kind != PartKind::leaf) return result;
  // A container that was not entered is not to be taken for one.
  const PartKind named = kind_of(result);
  if (part.opaque || named == PartKind::message) result.type = "application", result.subtype = "octet-stream";
  else if (named == PartKind::multipart) result.type = "text", result.subtype = "plain";
  return result;
}

std::string_view to_string(DefectKind kind) noexcept {
  switch (kind) {
    case DefectKind::header_line_malformed: return "header-line-malformed";
    case DefectKind::header_without_end: return "header-without-end";
    case DefectKind::header_too_large: return "header-too-large";
    case DefectKind::duplicate_field: return "duplicate-field";
    case DefectKind::blank_before_colon: return "blank-before-colon";
    case DefectKind::bare_cr: return "bare-cr";
    case DefectKind::bare_lf: return "bare-lf";
    case DefectKind::nul: return "nul";
    case DefectKind::eight_bit_header: return "eight-bit-header";
    case DefectKind::content_type_invalid: return "content-type-invalid";
    case DefectKind::parameter_ambiguous: return "parameter-ambiguous";
    case DefectKind::transfer_encoding_unknown: return "transfer-encoding-unknown";
    case DefectKind::transfer_encoding_on_multipart: return "transfer-encoding-on-multipart";
    case DefectKind::boundary_missing: return "boundary-missing";
    case DefectKind::boundary_invalid: return "boundary-invalid";
    case DefectKind::boundary_prefix_line: return "boundary-prefix-line";
    case DefectKind::boundary_reused: return "boundary-reused";
    case DefectKind::multipart_without_end: return "multipart-without-end";
    case DefectKind::multipart_empty: return "multipart-empty";
    case DefectKind::too_deep: return "too-deep";
    case DefectKind::too_many_parts: return "too-many-parts";
    case DefectKind::too_large: return "too-large";
  }
  return "unknown";
}

bool is_ambiguous(DefectKind kind) noexcept {
  switch (kind) {
    case DefectKind::header_line_malformed:
    case DefectKind::header_too_large:
    case DefectKind::duplicate_field:
    case DefectKind::blank_before_colon:
    case DefectKind::bare_cr:
    case DefectKind::nul:
    case DefectKind::content_type_invalid:
    case DefectKind::parameter_ambiguous:
    case DefectKind::transfer_encoding_unknown:
    case DefectKind::transfer_encoding_on_multipart:
    case DefectKind::boundary_missing:
    case DefectKind::boundary_invalid:
    case DefectKind::boundary_prefix_line:
    case DefectKind::boundary_reused:
    case DefectKind::multipart_empty:
    case DefectKind::too_deep:
    case DefectKind::too_many_parts:
    case DefectKind::too_large: return true;
    case DefectKind::header_without_end:
    case DefectKind::bare_lf:
    case DefectKind::eight_bit_header:
    case DefectKind::multipart_without_end: return false;
  }
  return true;
}

}  // namespace keystonemail::mime
