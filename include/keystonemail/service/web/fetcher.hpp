// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Fetcher: asks a web server for something: policies (RFC 8461), reports to be sent (RFC 8460), webhooks.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/base/task.hpp"
#include "keystonemail/http/fields.hpp"

namespace keystonemail::web {

// Which addresses a name may lead to.
enum class Reach : std::uint8_t {
  any,
  public_only,  // for URLs that strangers give: never into a private network, this host, or a link (attack G5)
};
enum class Scheme : std::uint8_t { https_only, http_too };

struct FetchRequest {
  std::string method = "GET";
  std::string url;                              // "https://host[:port]/path[?query]", without user information
  http::Fields headers = {};                    // besides Host, Content-Length, User-Agent and Connection, which are made
  std::string body = {};
  std::size_t octets_max = std::size_t{64} << 10;  // of the body of the response
  std::chrono::seconds time_max{60};            // for all of it: names, connections, handshake, response
  unsigned redirects_max = 0;                   // 0: a redirection is a response like others (RFC 8461 §3.3)
  Reach reach = Reach::any;
  Scheme scheme = Scheme::https_only;
};

struct FetchResponse {
  unsigned status = 0;     // 200 to 599, whatever it is: a status is no error here
  http::Fields headers;
  std::string body;
};

// Where it failed. The first that fits, in the order in which a request comes past them.
enum class FetchFault : std::uint8_t {
  bad_request,       // the URL, the method or a header cannot be sent
  name_not_found,    // the name does not exist, or has no address
  name_unavailable,  // the DNS cannot say now, or says what fails DNSSEC
  address_denied,    // Reach::public_only, and the name leads elsewhere
  connect,           // no address took the connection
  tls,               // no handshake, for another reason than the certificate
  certificate,       // not trusted, expired, for another name (RFC 8460 §4.3.1: sts-webpki-invalid)
  protocol,          // not HTTP, or cut off
  too_large,         // more than octets_max, or headers beyond http/limits.hpp
  redirects,         // more than redirects_max, when that is not 0, or to where it may not lead
  timeout,           // time_max, or the context's deadline
  cancelled,
};
// "certificate", for logs.
[[nodiscard]] std::string_view to_string(FetchFault fault) noexcept;

// An Error that says where it happened. Its kind follows from the fault; its detail has the whole story, with the address and
// what is wrong with a certificate ("expired", "wrong name").
class [[nodiscard]] FetchError : public Error {
 public:
  explicit FetchError(FetchFault fault, std::string detail = {});
  [[nodiscard]] FetchFault fault() const noexcept { return fault_; }

 private:
  FetchFault fault_;
};

using FetchResult = std::expected<FetchResponse, FetchError>;

// Threads: that of the context's executor. The fetcher outlives its calls.
class Fetcher {
 public:
  virtual ~Fetcher() = default;
  // One request and its response, from its first octet to its last. Nothing is kept for later, neither connections nor cookies.
  [[nodiscard]] virtual Task<FetchResult> fetch(FetchRequest request, Context context) = 0;
};

}  // namespace keystonemail::web
