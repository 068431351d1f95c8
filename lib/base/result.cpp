// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/base/result.hpp"

namespace keystonemail {
namespace {

Retry default_retry(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::unavailable:
    case ErrorKind::timeout:
    case ErrorKind::cancelled: return Retry::later;
    case ErrorKind::invalid:
    case ErrorKind::denied:
    case ErrorKind::not_found:
    case ErrorKind::conflict:
    case ErrorKind::over_quota:
    case ErrorKind::too_large:
    case ErrorKind::corrupt:
    case ErrorKind::internal: return Retry::no;
  }
  return Retry::no;
}

}  // namespace

std::string_view to_string(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::invalid: return "invalid";
    case ErrorKind::denied: return "denied";
    case ErrorKind::not_found: return "not_found";
    case ErrorKind::conflict: return "conflict";
    case ErrorKind::over_quota: return "over_quota";
    case ErrorKind::too_large: return "too_large";
    case ErrorKind::unavailable: return "unavailable";
    case ErrorKind::timeout: return "timeout";
    case ErrorKind::cancelled: return "cancelled";
    case ErrorKind::corrupt: return "corrupt";
    case ErrorKind::internal: return "internal";
  }
  return "internal";
}

Error::Error(ErrorKind kind, std::string text, std::string detail)
    : kind_(kind), retry_(default_retry(kind)), text_(std::move(text)), detail_(std::move(detail)) {}

std::string Error::describe() const {
  std::string out(to_string(kind_));
  if (!text_.empty()) out.append(": ").append(text_);
  if (!detail_.empty()) out.append(" (").append(detail_).append(")");
  return out;
}

}  // namespace keystonemail
