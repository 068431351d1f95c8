// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/autoreply/settings.hpp"

#include <algorithm>

#include "base/record.hpp"
#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/crypto/digest.hpp"
#include "keystonemail/mime/address.hpp"

namespace keystonemail::autoreply {
namespace {

Result<void> check_text(std::string_view what, std::string_view text, std::size_t octets_max) {
  if (text.size() > octets_max) return fail(ErrorKind::too_large, "the " + std::string(what) + " has more than " + std::to_string(octets_max) + " octets");
  if (!is_utf8(text) || text.find('\0') != std::string_view::npos) return fail(ErrorKind::invalid, "the " + std::string(what) + " is not UTF-8");
  return {};
}

}  // namespace

Result<void> check_settings(const Settings& settings) {
  KM_CHECK(check_text("subject", settings.subject, limits::subject_octets_max));
  KM_CHECK(check_text("text", settings.text, limits::text_octets_max));
  KM_CHECK(check_text("HTML", settings.html, limits::text_octets_max));
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (std::ranges::any_of(settings.subject, is_control)) return fail(ErrorKind::invalid, "the subject is not one line of text");
  if (!settings.address.empty() && !mime::Address::parse(settings.address)) return fail(ErrorKind::invalid, settings.address + " is not an address");
  if (settings.from && settings.until && *settings.from >= *settings.until) return fail(ErrorKind::invalid, "it would end before it begins");
  if (settings.days < limits::days_min || settings.days > limits::days_max)
    return fail(ErrorKind::invalid, "days are " + std::to_string(limits::days_min) + " to " + std::to_string(limits::days_max));
  return {};
}

std::string response_name(const Settings& settings) {
  const auto digest = crypto::sha256(RecordWriter().text(settings.subject).text(settings.address).text(settings.text).text(settings.html).view());
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

}  // namespace keystonemail::autoreply
