// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/dmarc/record.hpp"

#include <algorithm>
#include <utility>

#include "keystonemail/base/text.hpp"

namespace keystonemail::mailauth::dmarc {
namespace {

// RFC 7489 §6.4  *WSP, only SP and HTAB
std::string_view trim_blanks(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  return first == std::string_view::npos ? std::string_view() : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Takes the text up to `separator`, and the separator.
std::string_view take_until(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const auto out = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return trim_blanks(out);
}

struct Tag {
  std::string_view name, value;
};

Tag take_tag(std::string_view& text) {
  std::string_view value = take_until(text, ';');
  const auto name = take_until(value, '=');
  return {name, trim_blanks(value)};
}

std::optional<Policy> parse_policy(std::string_view value) {
  for (const Policy policy : {Policy::none, Policy::quarantine, Policy::reject}) {
    if (iequals(value, to_string(policy))) return policy;
  }
  return std::nullopt;
}

// RFC 7489 §6.4  dmarc-uri = URI [ "!" 1*DIGIT [ "k" / "m" / "g" / "t" ] ]
std::optional<ReportAddress> parse_report_address(std::string_view text) {
  ReportAddress out;
  const std::size_t mark = text.find('!');
  if (mark != std::string_view::npos) {
    std::string_view size = text.substr(mark + 1);
    constexpr std::string_view units = "kmgt";
    const std::size_t unit = size.empty() ? std::string_view::npos : units.find(to_lower(size.back()));
    const unsigned shift = unit == std::string_view::npos ? 0 : static_cast<unsigned>(unit + 1) * 10;
    if (shift > 0) size.remove_suffix(1);
    const auto number = parse_decimal(size, UINT64_MAX >> shift);
    if (!number) return std::nullopt;
    out.octets_max = *number << shift;
    text = text.substr(0, mark);
  }
  // RFC 3986 §3: a scheme, a colon, and something behind it, all of it visible ASCII.
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size() || !is_alpha(text.front())) return std::nullopt;
  if (!std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; })) return std::nullopt;
  out.uri = text;
  return out;
}

std::vector<ReportAddress> parse_report_addresses(std::string_view value) {
  std::vector<ReportAddress> out;
  while (!value.empty() && out.size() < limits::report_addresses_max) {
    if (auto address = parse_report_address(take_until(value, ','))) out.push_back(*std::move(address));
  }
  return out;
}

FailureReports parse_failure_reports(std::string_view value) {
  FailureReports out{.if_all_fail = false};
  while (!value.empty()) {
    const auto option = take_until(value, ':');
    out.if_all_fail |= option == "0";
    out.if_any_fails |= option == "1";
    out.of_dkim |= iequals(option, "d");
    out.of_spf |= iequals(option, "s");
  }
  const bool has_none = !out.if_all_fail && !out.if_any_fails && !out.of_dkim && !out.of_spf;
  return has_none ? FailureReports() : out;
}

Alignment parse_alignment(std::string_view value) { return iequals(value, "s") ? Alignment::strict : Alignment::relaxed; }

PublicSuffix parse_public_suffix(std::string_view value) {
  if (iequals(value, "y")) return PublicSuffix::yes;
  return iequals(value, "n") ? PublicSuffix::no : PublicSuffix::unknown;
}

// Reads the tags that are known; the first of each counts.
class Reader {
 public:
  void take(const Tag& tag) {
    const std::string name = to_lower(tag.name);
    if (std::ranges::find(seen_, name) != seen_.end()) return;
    if (name == "p") record.has_policy = policy(record.policy, tag.value);
    else if (name == "sp") (void)policy(record.subdomain_policy, tag.value);
    else if (name == "np") (void)policy(record.missing_policy, tag.value);
    else if (name == "adkim") record.dkim_alignment = parse_alignment(tag.value);
    else if (name == "aspf") record.spf_alignment = parse_alignment(tag.value);
    else if (name == "t") record.is_test = iequals(tag.value, "y");
    else if (name == "psd") record.public_suffix = parse_public_suffix(tag.value);
    else if (name == "fo") record.failure_reports = parse_failure_reports(tag.value);
    else if (name == "rua") record.aggregate_addresses = parse_report_addresses(tag.value);
    else if (name == "ruf") record.failure_addresses = parse_report_addresses(tag.value);
    else if (name == "pct") record.percent = static_cast<std::uint8_t>(parse_decimal(tag.value, 100).value_or(100));
    else if (name == "ri") record.report_interval = static_cast<std::uint32_t>(parse_decimal(tag.value, UINT32_MAX).value_or(86'400));
    else return;
    seen_.push_back(name);
  }
  Record record;
  bool has_bad_policy = false;

 private:
  template <class Slot>
  bool policy(Slot& slot, std::string_view value) {
    const auto parsed = parse_policy(value);
    if (parsed) slot = *parsed;
    has_bad_policy |= !parsed;
    return parsed.has_value();
  }

  std::vector<std::string> seen_;
};

}  // namespace

std::string_view to_string(Policy policy) noexcept {
  switch (policy) {
    case Policy::none: return "none";
    case Policy::quarantine: return "quarantine";
    case Policy::reject: return "reject";
  }
  return "";
}

bool is_record(std::string_view text) noexcept {
  const Tag version = take_tag(text);
  return iequals(version.name, "v") && version.value == "DMARC1";
}

std::optional<Record> parse_record(std::string_view text) {
  if (text.size() > limits::record_octets_max || !is_record(text)) return std::nullopt;
  Reader reader;
  (void)take_tag(text);
  while (!text.empty()) reader.take(take_tag(text));
  if (reader.record.has_policy && !reader.has_bad_policy) return std::move(reader.record);
  if (reader.has_bad_policy && reader.record.aggregate_addresses.empty()) return std::nullopt;
  reader.record.policy = Policy::none;
  reader.record.subdomain_policy.reset();
  reader.record.missing_policy.reset();
  return std::move(reader.record);
}

}  // namespace keystonemail::mailauth::dmarc
