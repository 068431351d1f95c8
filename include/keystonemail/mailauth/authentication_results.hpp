// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Authentication-Results (RFC 8601): what was found out about a message, written for those behind us, read from those
// before us, and struck out where somebody else wrote it in our name.
//
// Ownership: values. Threads: pure functions. Errors: as said. Limits: mailauth::limits; linear time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/result.hpp"

namespace keystonemail::mailauth {

namespace limits {
inline constexpr std::size_t results_octets_max = 64 * 1024;     // of a field
inline constexpr std::size_t results_max = 200;                  // of one field
inline constexpr std::size_t result_properties_max = 50;         // of one result
inline constexpr std::size_t result_value_octets_max = 512;      // written; longer ones are cut
inline constexpr std::size_t result_comment_depth_max = 20;
}  // namespace limits

// "header.d=example.com" is {"header", "d", "example.com"}.
struct ResultProperty {
  std::string type;
  std::string name;
  std::string value;                  // quoting removed
  friend bool operator==(const ResultProperty&, const ResultProperty&) = default;
};

struct MethodResult {
  std::string method;                 // "dkim", in lower case as all words here
  std::string result;                 // "pass"
  std::string comment;                // written behind the result; not read
  std::string reason;
  std::vector<ResultProperty> properties;
  unsigned version = 1;               // of the method; one that is not 1 must not be used (RFC 8601 §2.6)
  friend bool operator==(const MethodResult&, const MethodResult&) = default;

  // The value of the first such property; empty when there is none.
  [[nodiscard]] std::string_view property(std::string_view type, std::string_view name) const noexcept;
};

struct AuthenticationResults {
  std::string authserv_id;
  std::vector<MethodResult> results;  // none: no authentication was done
  unsigned version = 1;               // of the field; of another one no results are read
  unsigned instance = 0;              // of ARC-Authentication-Results (RFC 8617 §4.1.1); 0: not of ARC
  friend bool operator==(const AuthenticationResults&, const AuthenticationResults&) = default;
};

// The whole field, folded, with its line end: Authentication-Results, or ARC-Authentication-Results when there is an
// instance. Values of any octets come out as one field of valid UTF-8.
[[nodiscard]] std::string format_authentication_results(const AuthenticationResults& results);

// The value of either field. Errors: invalid, too_large.
[[nodiscard]] Result<AuthenticationResults> parse_authentication_results(std::string_view value);
[[nodiscard]] Result<AuthenticationResults> parse_arc_authentication_results(std::string_view value);

// Whether the value of an Authentication-Results field says, to any reader however lenient, that `authserv_id` wrote it:
// in any case, folded, with comments, quoted, with a version, with A-labels for U-labels (attack D3).
[[nodiscard]] bool claims_authserv_id(std::string_view value, std::string_view authserv_id);

// A field as it stands in a header.
struct FieldSpan {
  std::size_t offset = 0;
  std::size_t octets = 0;
  friend bool operator==(const FieldSpan&, const FieldSpan&) = default;
};

// The Authentication-Results fields that must go before ours is added, because they claim to be ours or no reader could
// tell whose they are (RFC 8601 §5). Those of ARC stay: their chain says what they are worth.
[[nodiscard]] std::vector<FieldSpan> forged_authentication_results(std::string_view header, std::string_view authserv_id);

}  // namespace keystonemail::mailauth
