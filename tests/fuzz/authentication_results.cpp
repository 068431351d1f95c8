// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The value of a field, and a header. Invariants: what was read, written and read again stays as it is; what is written is
// one field of UTF-8; once forged fields are gone none is left.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "keystonemail/base/text.hpp"
#include "keystonemail/mailauth/authentication_results.hpp"
#include "keystonemail/mime/header.hpp"

using namespace keystonemail;
using namespace keystonemail::mailauth;

namespace {

void require(bool holds) {
  if (!holds) __builtin_trap();
}

AuthenticationResults written_and_read(const AuthenticationResults& results) {
  const std::string field = format_authentication_results(results);
  require(is_utf8(field));
  mime::HeaderReader reader(field);
  const auto own = reader.next();
  require(own && own->raw == field && !reader.next());
  auto again = results.instance == 0 ? parse_authentication_results(own->value) : parse_arc_authentication_results(own->value);
  require(again.has_value());
  return *std::move(again);
}

void check_value(const Result<AuthenticationResults>& read) {
  if (!read) return require(!read.error().text().empty());
  const auto once = written_and_read(*read);
  if (read->version == 1) require(written_and_read(once) == once);
}

void check_forged(std::string header) {
  const auto spans = forged_authentication_results(header, "mx.example.com");
  for (auto span = spans.rbegin(); span != spans.rend(); ++span) {
    require(span->offset + span->octets <= header.size());
    header.erase(span->offset, span->octets);
  }
  if (!header.starts_with(' ') && !header.starts_with('\t')) require(forged_authentication_results(header, "mx.example.com").empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_value(parse_authentication_results(text));
  check_value(parse_arc_authentication_results(text));
  (void)claims_authserv_id(text, "mx.example.com");
  check_forged(std::string(text));
  check_forged("Authentication-Results: " + std::string(text));
  return 0;
}
