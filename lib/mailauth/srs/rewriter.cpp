// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/srs/rewriter.hpp"

#include <algorithm>
#include <cassert>
#include <optional>
#include <utility>

#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/idna.hpp"
#include "keystonemail/crypto/digest.hpp"
#include "keystonemail/crypto/secret.hpp"

namespace keystonemail::mailauth::srs {
namespace {

constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";  // RFC 4648 §6
constexpr unsigned bits_per_digit = 5;
constexpr std::int64_t days_known = 1'024;  // two digits of them: then they begin again
constexpr std::size_t tag_octets = 5;       // "SRS0=" with any of the three separators

enum class Form : char { first = '0', later = '1' };

std::optional<Form> form_of(std::string_view local) noexcept {
  if (local.size() < tag_octets || !istarts_with(local, "SRS")) return std::nullopt;
  const char separator = local[4];
  if (separator != '=' && separator != '-' && separator != '+') return std::nullopt;
  if (local[3] == '0') return Form::first;
  if (local[3] == '1') return Form::later;
  return std::nullopt;
}

std::int64_t day_of(WallTime now) noexcept {
  return std::chrono::floor<std::chrono::days>(now).time_since_epoch().count() % days_known;
}

std::string day_digits(WallTime now) {
  const auto day = static_cast<std::size_t>(day_of(now));
  return {digits[day >> bits_per_digit], digits[day & (digits.size() - 1)]};
}

// How old a day is; nothing when it is none. A clock that was set back a day does no harm.
std::optional<std::int64_t> age_of(std::string_view written, WallTime now) noexcept {
  if (written.size() != 2) return std::nullopt;
  const std::size_t high = digits.find(to_upper(written[0])), low = digits.find(to_upper(written[1]));
  if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
  const auto then = static_cast<std::int64_t>((high << bits_per_digit) | low);
  const std::int64_t age = (day_of(now) - then + days_known) % days_known;
  return age == days_known - 1 ? 0 : age;
}

// Over all that reverse() gives back, whatever became of its case.
std::string hash_of(std::string_view secret, Form form, std::string_view signed_part) {
  const std::string value = crypto::hmac(crypto::Hash::sha256, secret, std::string(1, static_cast<char>(form)) + to_lower(signed_part));
  std::string out;
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < limits::hash_digits * bits_per_digit / 8; ++i) bits = (bits << 8) | static_cast<unsigned char>(value[i]);
  for (std::size_t i = limits::hash_digits; i > 0; --i) out += digits[(bits >> ((i - 1) * bits_per_digit)) & (digits.size() - 1)];
  return out;
}

// What stands before the next "=", taken off with it.
std::optional<std::string_view> take_part(std::string_view& rest) noexcept {
  const std::size_t end = rest.find('=');
  if (end == std::string_view::npos || end == 0) return std::nullopt;
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(end + 1);
  return part;
}

}  // namespace

Result<void> check_options(const Options& options) {
  if (codec::to_ascii_domain(options.domain).value_or("") != options.domain) return fail(ErrorKind::invalid, options.domain + " is not a domain name");
  const bool secret = !options.secrets.empty() && options.secrets.size() <= limits::secrets_max &&
                      std::ranges::all_of(options.secrets, [](const auto& one) { return one.size() >= limits::secret_octets_min; });
  if (!secret) return fail(ErrorKind::invalid, "senders are rewritten with one to eight secrets of at least 16 octets");
  if (options.lifetime.count() < 1 || options.lifetime.count() > 365) return fail(ErrorKind::invalid, "a rewritten sender lives for 1 to 365 days");
  return {};
}

std::string_view to_string(Fault fault) noexcept {
  switch (fault) {
    case Fault::malformed: return "malformed";
    case Fault::forged: return "not one of ours";
    case Fault::expired: return "expired";
  }
  __builtin_unreachable();
}

Rewriter::Rewriter(Options options) : options_(std::move(options)) { assert(check_options(options_)); }

Result<Mailbox> Rewriter::forward(const Mailbox& sender, WallTime now) const {
  assert(!sender.domain.empty());
  const std::string& secret = options_.secrets.front();
  const auto form = form_of(sender.local);
  std::string local;
  if (form == Form::later) {  // the paper, §"SRS1": the first forwarder stays, the hash becomes ours
    std::string_view rest = std::string_view(sender.local).substr(tag_octets);
    std::string_view behind = rest;  // the hash
    if (take_part(rest) && take_part(behind) && take_part(behind) && !behind.empty()) local = "SRS1=" + hash_of(secret, Form::later, rest) + "=" + std::string(rest);
  } else if (form == Form::first) {
    const std::string rest = to_lower(sender.domain) + "=" + sender.local.substr(tag_octets - 1);
    local = "SRS1=" + hash_of(secret, Form::later, rest) + "=" + rest;
  }
  if (local.empty()) {
    const std::string rest = day_digits(now) + "=" + to_lower(sender.domain) + "=" + sender.local;
    local = "SRS0=" + hash_of(secret, Form::first, rest) + "=" + rest;
  }
  if (local.size() > limits::local_part_octets_max) return fail(ErrorKind::too_large, "the sender is too long to be rewritten");
  return Mailbox{std::move(local), options_.domain};
}

bool Rewriter::recognizes(const Mailbox& address) const {
  return form_of(address.local) && codec::to_ascii_domain(address.domain).value_or("") == options_.domain;
}

std::expected<Mailbox, Fault> Rewriter::reverse(const Mailbox& address, WallTime now) const {
  const auto form = form_of(address.local);
  assert(form);
  std::string_view rest = std::string_view(address.local).substr(tag_octets);
  const auto hash = take_part(rest);
  if (!hash) return std::unexpected(Fault::malformed);
  bool ours = false;
  for (const std::string& secret : options_.secrets) ours = crypto::constant_time_equal(hash_of(secret, *form, rest), to_upper(*hash)) || ours;
  if (!ours) return std::unexpected(Fault::forged);
  if (*form == Form::first) {
    const auto day = take_part(rest);
    const auto age = day ? age_of(*day, now) : std::nullopt;
    if (!age) return std::unexpected(Fault::malformed);
    if (*age > options_.lifetime.count()) return std::unexpected(Fault::expired);
  }
  const auto host = take_part(rest);
  if (!host || rest.empty()) return std::unexpected(Fault::malformed);
  std::string local = *form == Form::first ? std::string(rest) : "SRS0" + std::string(rest);
  return Mailbox{std::move(local), std::string(*host)};
}

}  // namespace keystonemail::mailauth::srs
