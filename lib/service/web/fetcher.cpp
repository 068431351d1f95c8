// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/web/fetcher.hpp"

#include <utility>

namespace keystonemail::web {
namespace {

ErrorKind kind_of(FetchFault fault) noexcept {
  switch (fault) {
    case FetchFault::bad_request: return ErrorKind::invalid;
    case FetchFault::name_not_found: return ErrorKind::not_found;
    case FetchFault::address_denied:
    case FetchFault::certificate: return ErrorKind::denied;
    case FetchFault::name_unavailable:
    case FetchFault::connect:
    case FetchFault::tls:
    case FetchFault::protocol:
    case FetchFault::redirects: return ErrorKind::unavailable;
    case FetchFault::too_large: return ErrorKind::too_large;
    case FetchFault::timeout: return ErrorKind::timeout;
    case FetchFault::cancelled: return ErrorKind::cancelled;
  }
  __builtin_unreachable();
}

}  // namespace

std::string_view to_string(FetchFault fault) noexcept {
  switch (fault) {
    case FetchFault::bad_request: return "bad request";
    case FetchFault::name_not_found: return "name not found";
    case FetchFault::name_unavailable: return "name unavailable";
    case FetchFault::address_denied: return "address denied";
    case FetchFault::connect: return "cannot connect";
    case FetchFault::tls: return "TLS";
    case FetchFault::certificate: return "certificate";
    case FetchFault::protocol: return "protocol";
    case FetchFault::too_large: return "too large";
    case FetchFault::redirects: return "redirects";
    case FetchFault::timeout: return "timeout";
    case FetchFault::cancelled: return "cancelled";
  }
  __builtin_unreachable();
}

FetchError::FetchError(FetchFault fault, std::string detail)
    : Error(kind_of(fault), std::string(to_string(fault)), std::move(detail)), fault_(fault) {}

}  // namespace keystonemail::web
