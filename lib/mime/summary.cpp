// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mime/summary.hpp"

#include <algorithm>
#include <utility>

#include "keystonemail/mime/limits.hpp"
#include "keystonemail/mime/message_id.hpp"
#include "mime/parameter_reader.hpp"
#include "mime/record.hpp"
#include "mime/summary_format.hpp"

namespace keystonemail::mime {
namespace {

namespace format = summary_format;
using format::EnvelopeMember;

std::vector<SummaryParameter> read_parameters(RecordReader& reader) {
  std::vector<SummaryParameter> parameters;
  const std::uint64_t count = std::min<std::uint64_t>(reader.number(), limits::parameters_max);
  parameters.reserve(count);
  for (std::uint64_t i = 0; i < count && reader.good(); ++i) {
    SummaryParameter parameter;
    const std::uint64_t name_octets = reader.number();
    parameter.extended = (name_octets & 1) != 0;
    parameter.name = reader.octets(name_octets >> 1);
    parameter.value = reader.string();
    if (reader.good()) parameters.push_back(parameter);
  }
  return parameters;
}

void read_extras(RecordReader& reader, SummaryPart& part) {
  namespace extra = format::extra;
  const unsigned mask = reader.octet();
  if ((mask & extra::id) != 0) part.id = reader.string();
  if ((mask & extra::description) != 0) part.description = reader.string();
  if ((mask & extra::md5) != 0) part.md5 = reader.string();
  if ((mask & extra::location) != 0) part.location = reader.string();
  if ((mask & extra::encoding_name) != 0) part.encoding_name = reader.string();
  if ((mask & extra::disposition) != 0) {
    part.disposition = reader.string();
    part.disposition_parameters = read_parameters(reader);
  }
  if ((mask & extra::languages) != 0) {
    const std::uint64_t count = std::min<std::uint64_t>(reader.number(), limits::parameters_max);
    for (std::uint64_t i = 0; i < count && reader.good(); ++i) part.languages.push_back(reader.string());
  }
  if ((mask & extra::envelope) != 0) part.envelope = reader.string();
}

// Reads one part after another and finds out which is in which.
class PartReader {
 public:
  PartReader(std::string_view encoded, std::uint64_t octets) : reader_(encoded), octets_(octets) {}

  [[nodiscard]] SummaryPart next() {
    SummaryPart part;
    const unsigned head = reader_.octet();
    const unsigned kind = head & format::part::kind_mask;
    const unsigned encoding = head >> format::part::encoding_shift & 7U;
    part.kind = kind <= static_cast<unsigned>(PartKind::message) ? static_cast<PartKind>(kind) : PartKind::leaf;
    part.encoding = static_cast<TransferEncoding>(std::min(encoding, static_cast<unsigned>(TransferEncoding::unknown)));
    part.opaque = (head & format::part::opaque) != 0;
    read_type(part, (head & format::part::known_type) != 0);
    read_place(part);
    part.child_count = part.kind == PartKind::multipart ? reader_.number32() : part.kind == PartKind::message ? 1 : 0;
    part.parameters = read_parameters(reader_);
    if ((head & format::part::extras) != 0) read_extras(reader_, part);
    place_in_tree(part);
    return part;
  }
  [[nodiscard]] bool good() const noexcept { return reader_.good(); }

 private:
  struct Container {
    std::uint32_t part;
    std::uint32_t children_due;
  };

  void read_type(SummaryPart& part, bool known) {
    if (!known) {
      part.type = reader_.string();
      part.subtype = reader_.string();
      return;
    }
    const std::size_t number = reader_.octet();
    const auto& type = format::known_types[number < format::known_types.size() ? number : 0];
    part.type = type.type;
    part.subtype = type.subtype;
  }

  // Within the message, whatever the octets say.
  void read_place(SummaryPart& part) {
    const auto within = [this](std::uint64_t offset) { return static_cast<std::uint32_t>(std::min(offset, octets_)); };
    part.header_begin = within(static_cast<std::uint32_t>(previous_body_ + reader_.number32()));
    part.body_begin = within(std::uint64_t{part.header_begin} + reader_.number32());
    part.body_end = within(std::uint64_t{part.body_begin} + reader_.number32());
    part.lines = reader_.number32();
    previous_body_ = part.body_begin;
  }

  void place_in_tree(SummaryPart& part) {
    while (!containers_.empty() && containers_.back().children_due == 0) containers_.pop_back();
    if (!containers_.empty()) {
      part.parent = containers_.back().part;
      --containers_.back().children_due;
    }
    if (part.child_count > 0) containers_.push_back({count_, part.child_count});
    ++count_;
  }

  RecordReader reader_;
  std::uint64_t octets_;
  std::uint32_t previous_body_ = 0;
  std::uint32_t count_ = 0;
  std::vector<Container> containers_;
};

bool is_type(std::string_view full_type, std::string_view type, std::string_view subtype) {
  return full_type.size() == type.size() + 1 + subtype.size() && full_type.starts_with(type) &&
         full_type[type.size()] == '/' && full_type.ends_with(subtype);
}

const SummaryParameter* find(const std::vector<SummaryParameter>& parameters, std::string_view name) {
  const auto found = std::ranges::find(parameters, name, &SummaryParameter::name);
  return found == parameters.end() ? nullptr : &*found;
}

}  // namespace

EnvelopeAddresses::Iterator& EnvelopeAddresses::Iterator::operator++() noexcept {
  namespace bits = format::address;
  current_ = {};
  if (rest_.empty()) {
    done_ = true;
    return *this;
  }
  RecordReader reader(rest_);
  const unsigned head = reader.octet();
  const unsigned kind = head & bits::kind_mask;
  current_.kind = kind <= static_cast<unsigned>(AddressKind::group_end) ? static_cast<AddressKind>(kind) : AddressKind::mailbox;
  if ((head & bits::name) != 0) current_.name = reader.string();
  if ((head & bits::route) != 0) current_.route = reader.string();
  if ((head & bits::local_part) != 0) current_.local_part = reader.string();
  if ((head & bits::domain) != 0) current_.domain = reader.string();
  // RFC 9051 §7.5.2: the name of a group stands in the mailbox name field.
  if (current_.kind == AddressKind::group_begin) current_.local_part = std::exchange(current_.name, {});
  rest_ = reader.rest();
  return *this;
}

Envelope decode_envelope(std::string_view encoded) noexcept {
  RecordReader reader(encoded);
  const std::uint64_t mask = reader.number();
  const auto text = [&](EnvelopeMember member) -> std::optional<std::string_view> {
    if ((mask & std::uint64_t{1} << static_cast<unsigned>(member)) == 0) return std::nullopt;
    return reader.string();
  };
  const auto addresses = [&](EnvelopeMember member) { return EnvelopeAddresses(text(member).value_or(std::string_view())); };
  Envelope envelope;
  envelope.date = text(EnvelopeMember::date);
  envelope.subject = text(EnvelopeMember::subject);
  envelope.from = addresses(EnvelopeMember::from);
  envelope.sender = addresses(EnvelopeMember::sender);
  envelope.reply_to = addresses(EnvelopeMember::reply_to);
  envelope.to = addresses(EnvelopeMember::to);
  envelope.cc = addresses(EnvelopeMember::cc);
  envelope.bcc = addresses(EnvelopeMember::bcc);
  envelope.in_reply_to = text(EnvelopeMember::in_reply_to);
  envelope.message_id = text(EnvelopeMember::message_id);
  if (envelope.sender.empty()) envelope.sender = envelope.from;
  if (envelope.reply_to.empty()) envelope.reply_to = envelope.from;
  return envelope;
}

std::string SummaryParameter::decoded() const { return decode_parameter(value, extended); }

bool SummaryPart::is(std::string_view full_type) const noexcept { return is_type(full_type, type, subtype); }

const SummaryParameter* SummaryPart::find_parameter(std::string_view name) const noexcept { return find(parameters, name); }

std::string SummaryPart::file_name() const {
  const SummaryParameter* name = find(disposition_parameters, "filename");
  if (name == nullptr) name = find(parameters, "name");
  return name != nullptr ? name->decoded() : std::string();
}

Summary::Summary(std::string_view encoded) noexcept {
  RecordReader reader(encoded);
  if (reader.octet() != format::version) return;
  flags_ = reader.octet();
  octets_ = reader.number();
  if ((flags_ & format::flags::has_date) != 0) {
    date_ = reader.signed_number();
    zone_ = static_cast<std::int16_t>(reader.signed_number());
  }
  envelope_ = reader.string();
  references_ = reader.string();
  preview_ = reader.string();
  part_count_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(reader.number(), limits::parts_max));
  parts_ = reader.rest();
  valid_ = reader.good() && part_count_ > 0 && octets_ <= limits::message_octets_max;
  if (!valid_) *this = Summary();
}

bool Summary::ambiguous() const noexcept { return (flags_ & format::flags::ambiguous) != 0; }
bool Summary::may_hold_nul() const noexcept { return !valid_ || (flags_ & format::flags::free_of_nul) == 0; }
bool Summary::has_attachment() const noexcept { return (flags_ & format::flags::has_attachment) != 0; }

std::optional<ZonedTime> Summary::date() const noexcept {
  constexpr std::int64_t seconds_max = 253'402'300'799;  // the end of year 9999
  const bool plausible = date_ >= -seconds_max && date_ <= seconds_max && zone_ > -1440 && zone_ < 1440;
  if ((flags_ & format::flags::has_date) == 0 || !plausible) return std::nullopt;
  return ZonedTime{WallTime(std::chrono::seconds(date_)), std::chrono::minutes(zone_)};
}

Envelope Summary::envelope() const noexcept { return decode_envelope(envelope_); }

std::optional<std::string_view> Summary::message_id() const noexcept {
  const auto value = envelope().message_id;
  if (!value) return std::nullopt;
  const auto ids = parse_message_ids(*value);
  if (ids.empty()) return std::nullopt;
  return ids.front();
}

std::vector<std::string_view> Summary::in_reply_to() const {
  return parse_message_ids(envelope().in_reply_to.value_or(std::string_view()));
}

std::vector<std::string_view> Summary::references() const { return parse_message_ids(references_); }

std::string_view Summary::preview() const noexcept { return preview_; }

std::vector<SummaryPart> Summary::parts() const {
  std::vector<SummaryPart> parts;
  PartReader reader(parts_, octets_);
  while (parts.size() < part_count_ && reader.good()) parts.push_back(reader.next());
  if (parts.empty()) parts.emplace_back();
  return parts;
}

SummaryPart Summary::root() const { return PartReader(parts_, octets_).next(); }

}  // namespace keystonemail::mime
