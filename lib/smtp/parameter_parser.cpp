// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "smtp/parameter_parser.hpp"

#include <algorithm>
#include <array>
#include <chrono>

#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/smtp/limits.hpp"
#include "smtp/xtext.hpp"

namespace keystonemail::smtp {
namespace {

using Step = std::expected<void, PeerFault>;
constexpr auto bad = std::unexpected(PeerFault::bad_parameter);
constexpr auto unknown = std::unexpected(PeerFault::unknown_parameter);

// RFC 5321 §4.1.2  esmtp-param = esmtp-keyword ["=" esmtp-value]
struct Parameter {
  std::string_view keyword;
  std::string_view value;
  bool has_value = false;
};

Parameter split(std::string_view word) noexcept {
  const std::size_t equals = word.find('=');
  if (equals == std::string_view::npos) return {word, {}, false};
  return {word.substr(0, equals), word.substr(equals + 1), true};
}

// esmtp-value = 1*(%d33-60 / %d62-126); RFC 6531 §3.3 lets UTF-8 in. Controls never; "=" is left to each parameter.
bool is_value(std::string_view value) noexcept {
  const auto control = [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f; };
  return !value.empty() && std::ranges::none_of(value, control);
}

// Calls `take` with each parameter. LENIENT: more than one space between them, and at the end.
template <class Take>
Step for_each_parameter(std::string_view text, Take take) {
  if (!text.empty() && text.front() != ' ') return std::unexpected(PeerFault::syntax);
  while (!text.empty()) {
    const std::size_t start = text.find_first_not_of(' ');
    if (start == std::string_view::npos) break;
    text.remove_prefix(start);
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(word.size());
    const Parameter parameter = split(word);
    if (parameter.has_value && !is_value(parameter.value)) return bad;
    KM_CHECK(take(parameter));
  }
  return {};
}

// RFC 1870 §3: 1*20DIGIT. A number beyond 64 bits is well-formed, and too large.
Step take_size(std::string_view value, std::uint64_t octets_max, std::optional<std::uint64_t>& size) {
  if (value.size() > limits::size_digits_max || !std::ranges::all_of(value, is_digit)) return bad;
  size = parse_decimal(value);
  if (!size || *size > octets_max) return std::unexpected(PeerFault::message_too_large);
  return {};
}

Step take_body(std::string_view value, const ServerOptions& options, BodyType& body) {
  if (iequals(value, "7BIT")) {
    body = BodyType::seven_bit;
  } else if (iequals(value, "8BITMIME")) {
    body = BodyType::eight_bit_mime;
  } else if (options.offer_chunking && iequals(value, "BINARYMIME")) {
    body = BodyType::binary_mime;
  } else {
    return bad;
  }
  return {};
}

Step take_ret(std::string_view value, DsnReturn& dsn_return) {
  if (iequals(value, "FULL")) {
    dsn_return = DsnReturn::full;
  } else if (iequals(value, "HDRS")) {
    dsn_return = DsnReturn::headers;
  } else {
    return bad;
  }
  return {};
}

// RFC 3461 §4.4: the decoded identifier is printable ASCII too.
Step take_envelope_id(std::string_view value, std::string& envelope_id) {
  auto decoded = decode_xtext(value);
  if (value.size() > limits::envelope_id_octets_max || !decoded) return bad;
  if (!is_printable_text(*decoded) || !is_ascii(*decoded)) return bad;
  envelope_id = std::move(*decoded);
  return {};
}

// RFC 4954 §5: xtext of a mailbox, or "<>"; RFC 6531 §3.3: a UTF-8 address in the form of RFC 6533.
Step take_auth(std::string_view value, std::optional<Path>& auth) {
  if (value == "<>") {
    auth.emplace();
    return {};
  }
  const auto decoded = decode_utf8_address(value);
  if (!decoded) return bad;
  auto mailbox = parse_mailbox(*decoded);
  if (!mailbox) return bad;
  auth = std::move(*mailbox);
  return {};
}

// RFC 4865 §4.2: RFC 3339 date-time in UTC.
Step take_hold_until(std::string_view value, std::optional<WallTime>& hold_until) {
  constexpr std::string_view shape = "dddd-dd-ddTdd:dd:ddZ";
  if (value.size() != shape.size()) return bad;
  for (std::size_t at = 0; at < shape.size(); ++at) {
    if (shape[at] == 'd' ? !is_digit(value[at]) : to_upper(value[at]) != shape[at]) return bad;
  }
  const auto number = [value](std::size_t at, std::size_t count) {
    return static_cast<int>(*parse_decimal(value.substr(at, count)));
  };
  const std::chrono::year_month_day date{std::chrono::year(number(0, 4)), std::chrono::month(static_cast<unsigned>(number(5, 2))),
                                         std::chrono::day(static_cast<unsigned>(number(8, 2)))};
  const int hour = number(11, 2), minute = number(14, 2), second = number(17, 2);
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return bad;
  hold_until = std::chrono::sys_days(date) + std::chrono::hours(hour) + std::chrono::minutes(minute) +
               std::chrono::seconds(second);
  return {};
}

// RFC 4865 §4.2: future-release-integer, 1 to 9 digits, not above what was offered.
Step take_hold_for(std::string_view value, const ServerOptions& options, std::optional<std::chrono::seconds>& hold_for) {
  const auto seconds = parse_decimal(value, static_cast<std::uint64_t>(options.future_release_max.count()));
  if (value.size() > 9 || !seconds || *seconds == 0) return bad;
  hold_for = std::chrono::seconds(*seconds);
  return {};
}

// RFC 2852 §4: by-time ";" by-mode [by-trace], by-time of at most nine digits.
Step take_deliver_by(std::string_view value, std::optional<DeliverBy>& deliver_by) {
  const std::size_t semicolon = value.find(';');
  if (semicolon == std::string_view::npos) return bad;
  std::string_view digits = value.substr(0, semicolon);
  std::string_view mode = value.substr(semicolon + 1);
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  const auto seconds = parse_decimal(digits, 999'999'999);
  if (!seconds || mode.empty() || mode.size() > 2) return bad;
  DeliverBy by;
  by.within = std::chrono::seconds(negative ? -static_cast<std::int64_t>(*seconds) : static_cast<std::int64_t>(*seconds));
  by.mode = to_upper(mode[0]) == 'R' ? DeliverByMode::return_to_sender : DeliverByMode::notify;
  by.trace = mode.size() == 2;
  if (to_upper(mode[0]) != 'R' && to_upper(mode[0]) != 'N') return bad;
  if (by.trace && to_upper(mode[1]) != 'T') return bad;
  if (by.mode == DeliverByMode::return_to_sender && by.within <= by.within.zero()) return bad;
  deliver_by = by;
  return {};
}

// RFC 6710 §7  priority-value = (["-"] NZDIGIT) / "0"
Step take_priority(std::string_view value, std::optional<int>& priority) {
  const bool negative = value.starts_with('-');
  if (negative) value.remove_prefix(1);
  if (value.size() != 1 || !is_digit(value[0]) || (negative && value[0] == '0')) return bad;
  priority = negative ? '0' - value[0] : value[0] - '0';
  return {};
}

enum class Keyword : std::uint8_t {
  size, body, smtputf8, require_tls, ret, envid, auth, hold_for, hold_until, by, priority, notify, orcpt,
};

struct Known {
  std::string_view name;
  Keyword keyword;
  bool has_value;
};
constexpr std::array mail_keywords{
    Known{"SIZE", Keyword::size, true},           Known{"BODY", Keyword::body, true},
    Known{"SMTPUTF8", Keyword::smtputf8, false},  Known{"REQUIRETLS", Keyword::require_tls, false},
    Known{"RET", Keyword::ret, true},             Known{"ENVID", Keyword::envid, true},
    Known{"AUTH", Keyword::auth, true},           Known{"HOLDFOR", Keyword::hold_for, true},
    Known{"HOLDUNTIL", Keyword::hold_until, true}, Known{"BY", Keyword::by, true},
    Known{"MT-PRIORITY", Keyword::priority, true}};
constexpr std::array rcpt_keywords{Known{"NOTIFY", Keyword::notify, true}, Known{"ORCPT", Keyword::orcpt, true}};

bool is_offered(Keyword keyword, const ParameterRules& rules) noexcept {
  const ServerOptions& options = rules.options;
  switch (keyword) {
    case Keyword::size:
    case Keyword::body: return true;
    case Keyword::auth: return rules.auth_offered;
    case Keyword::smtputf8: return options.offer_smtputf8;
    case Keyword::require_tls: return options.offer_require_tls_extension && rules.secure;
    case Keyword::ret:
    case Keyword::envid:
    case Keyword::notify:
    case Keyword::orcpt: return options.offer_dsn;
    case Keyword::hold_for:
    case Keyword::hold_until: return options.future_release_max > options.future_release_max.zero();
    case Keyword::by: return options.offer_deliver_by;
    case Keyword::priority: return options.offer_mt_priority;
  }
  __builtin_unreachable();
}

// Finds the keyword among those known and offered, each at most once.
template <std::size_t count>
std::expected<Keyword, PeerFault> look_up(const std::array<Known, count>& known, const Parameter& parameter,
                                          const ParameterRules& rules, std::uint32_t& seen) {
  for (const Known& candidate : known) {
    if (!iequals(candidate.name, parameter.keyword)) continue;
    if (!is_offered(candidate.keyword, rules)) return unknown;
    if (candidate.has_value != parameter.has_value) return bad;
    const std::uint32_t bit = 1u << static_cast<unsigned>(candidate.keyword);
    if ((seen & bit) != 0) return std::unexpected(PeerFault::repeated_parameter);
    seen |= bit;
    return candidate.keyword;
  }
  return unknown;
}

// RFC 3461 §4.1: NEVER alone, or a list of the others.
Step take_notify(std::string_view value, DsnNotify& notify) {
  while (true) {
    const std::size_t comma = value.find(',');
    const std::string_view word = value.substr(0, comma);
    bool* const flag = iequals(word, "NEVER")     ? &notify.never
                       : iequals(word, "SUCCESS") ? &notify.success
                       : iequals(word, "FAILURE") ? &notify.failure
                       : iequals(word, "DELAY")   ? &notify.delay
                                                  : nullptr;
    if (flag == nullptr) return bad;
    *flag = true;
    if (comma == std::string_view::npos) break;
    value.remove_prefix(comma + 1);
  }
  if (notify.never && (notify.success || notify.failure || notify.delay)) return bad;
  return {};
}

// RFC 3461 §4.2: addr-type ";" xtext; RFC 6533 §3 for addr-type "utf-8".
Step take_original_recipient(std::string_view value, RcptParameters& parameters) {
  const std::size_t semicolon = value.find(';');
  if (value.size() > limits::original_recipient_octets_max || semicolon == 0 || semicolon == std::string_view::npos) {
    return bad;
  }
  const std::string_view type = value.substr(0, semicolon);
  const auto is_atom = [](char c) { return is_alpha(c) || is_digit(c) || c == '-'; };
  if (!std::ranges::all_of(type, is_atom)) return bad;
  const std::string_view address = value.substr(semicolon + 1);
  auto decoded = iequals(type, "utf-8") ? decode_utf8_address(address) : decode_xtext(address);
  if (!decoded || decoded->empty() || !is_printable_text(*decoded)) return bad;
  parameters.original_recipient_type = to_lower(type);
  parameters.original_recipient = std::move(*decoded);
  return {};
}

}  // namespace

std::expected<MailParameters, PeerFault> parse_mail_parameters(std::string_view text, const ParameterRules& rules) {
  const ServerOptions& options = rules.options;
  MailParameters result;
  std::uint32_t seen = 0;
  KM_CHECK(for_each_parameter(text, [&](const Parameter& parameter) -> Step {
    KM_TRY(const Keyword keyword, look_up(mail_keywords, parameter, rules, seen));
    switch (keyword) {
      case Keyword::size: return take_size(parameter.value, options.message_octets_max, result.size);
      case Keyword::body: return take_body(parameter.value, options, result.body);
      case Keyword::smtputf8: result.smtputf8 = true; return {};
      case Keyword::require_tls: result.require_tls = true; return {};
      case Keyword::ret: return take_ret(parameter.value, result.dsn_return);
      case Keyword::envid: return take_envelope_id(parameter.value, result.envelope_id);
      case Keyword::auth: return take_auth(parameter.value, result.auth);
      case Keyword::hold_for: return take_hold_for(parameter.value, options, result.hold_for);
      case Keyword::hold_until: return take_hold_until(parameter.value, result.hold_until);
      case Keyword::by: return take_deliver_by(parameter.value, result.deliver_by);
      case Keyword::priority: return take_priority(parameter.value, result.priority);
      case Keyword::notify:
      case Keyword::orcpt: break;
    }
    return unknown;
  }));
  if (result.hold_for && result.hold_until) return bad;  // RFC 4865 §4.2: one of them
  return result;
}

std::expected<RcptParameters, PeerFault> parse_rcpt_parameters(std::string_view text, const ParameterRules& rules) {
  RcptParameters result;
  std::uint32_t seen = 0;
  KM_CHECK(for_each_parameter(text, [&](const Parameter& parameter) -> Step {
    KM_TRY(const Keyword keyword, look_up(rcpt_keywords, parameter, rules, seen));
    return keyword == Keyword::notify ? take_notify(parameter.value, result.notify)
                                      : take_original_recipient(parameter.value, result);
  }));
  return result;
}

}  // namespace keystonemail::smtp
