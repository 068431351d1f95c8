// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Result and Error: how every call that can fail for a reason outside the program says so.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace keystonemail {

// Why a call failed. The set is closed: a switch over it has no default, so that a new kind does not
// compile until every protocol has an answer for it.
enum class ErrorKind : std::uint8_t {
  invalid,      // the request makes no sense, now or later
  denied,       // the caller may not do this
  not_found,    // the thing named is not there
  conflict,     // it is there already, or has changed under the caller
  over_quota,   // an owner's allowance is used up
  too_large,    // above a stated limit
  unavailable,  // a resource (disk, peer, backend) cannot serve now
  timeout,      // a deadline passed
  cancelled,    // the stop token was asked to stop
  corrupt,      // stored data failed its check
  internal,     // a defect of this program
};

enum class Retry : std::uint8_t { no, later };

// The name of a kind, as logs and JSON print it.
[[nodiscard]] std::string_view to_string(ErrorKind kind) noexcept;

// Error says what went wrong in two voices: `text()` may be shown to a peer, `detail()` never leaves logs.
//
// Ownership: a value. Threads: immutable once made.
class [[nodiscard]] Error {
 public:
  // Whether to retry follows from the kind: unavailable, timeout and cancelled pass, the others stay.
  explicit Error(ErrorKind kind, std::string text = {}, std::string detail = {});

  [[nodiscard]] ErrorKind kind() const noexcept { return kind_; }
  [[nodiscard]] Retry retry() const noexcept { return retry_; }
  [[nodiscard]] const std::string& text() const noexcept { return text_; }      // public: one line, no CR or LF
  [[nodiscard]] const std::string& detail() const noexcept { return detail_; }  // private: for the log

  Error& with_retry(Retry retry) noexcept { retry_ = retry; return *this; }
  // "kind: text (detail)", for logs and test failures.
  [[nodiscard]] std::string describe() const;

 private:
  ErrorKind kind_;
  Retry retry_;
  std::string text_;
  std::string detail_;
};

template <class T>
using Result = std::expected<T, Error>;

// Shorthand for `return std::unexpected(Error(...))`.
[[nodiscard]] inline std::unexpected<Error> fail(ErrorKind kind, std::string text = {}, std::string detail = {}) {
  return std::unexpected(Error(kind, std::move(text), std::move(detail)));
}

}  // namespace keystonemail
