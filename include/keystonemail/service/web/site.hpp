// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Site: what a web server has to say; Exchange: one request and its answer; Router: which function answers which path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/base/task.hpp"
#include "keystonemail/http/message.hpp"

namespace keystonemail::web {

// One request, and the way to answer it: once, whole or piece by piece. A peer takes and gives at its own speed: nothing is held but
// one piece.
//
// Ownership: the service's; lives until Site::serve() is done. Threads: the connection's executor.
// Errors: unavailable (the peer is gone, slow or wrong, and has been told): give up; too_large.
class Exchange {
 public:
  virtual ~Exchange() = default;
  [[nodiscard]] virtual const http::RequestHead& request() const noexcept = 0;
  [[nodiscard]] virtual const IpAddress& peer() const noexcept = 0;
  [[nodiscard]] virtual bool secure() const noexcept = 0;

  // The next piece of the request's body, empty at its end. The view lives until the next call. A body of more than `octets_max` in
  // all has been answered with 413 when too_large comes back. REQUIRES: the same ceiling each time; no answer yet.
  [[nodiscard]] virtual Task<Result<std::string_view>> read_body(std::uint64_t octets_max) = 0;
  // Head and body in one.
  virtual void respond(http::ResponseHead head, std::string_view body) = 0;
  // The head; then write() as often as needed, then finish(). `body_octets` absent: not known yet. A response that is left without
  // finish() ends the connection.
  virtual void begin_response(http::ResponseHead head, std::optional<std::uint64_t> body_octets) = 0;
  [[nodiscard]] virtual Task<Result<void>> write(std::string_view octets) = 0;
  virtual void finish() = 0;
};

// The whole body of a request, when it is no more than that.
[[nodiscard]] Task<Result<std::string>> read_whole_body(Exchange& exchange, std::size_t octets_max);
// A page of one line: "404 Not Found".
void respond_plainly(Exchange& exchange, unsigned status, http::Fields fields = {});

// Threads: any number of executors at once. Ownership: outlives the services that it is the site of.
class Site {
 public:
  virtual ~Site() = default;
  // Whether it answers for that host, in lower case: others get 421, so that nobody's DNS can make a browser talk to us under a name of
  // its own (attack H3). Errors: unavailable; then 503.
  [[nodiscard]] virtual Task<Result<bool>> has_host(std::string_view host, Context context) = 0;
  // Answers one request for a host that it has. Without an answer the peer gets 500.
  [[nodiscard]] virtual Task<void> serve(Exchange& exchange, Context context) = 0;
};

// Exact paths, compared as they are sent: nothing of a request becomes a path of ours (attack G9).
//
// Ownership: owns its handlers. Threads: any, once all routes are there.
class Router {
 public:
  using Handler = std::function<Task<void>(Exchange& exchange, Context context)>;

  // HEAD goes where GET goes.
  void add(std::string method, std::string path, Handler handler);
  // 404 where there is no such path, 405 where it has other methods.
  [[nodiscard]] Task<void> route(Exchange& exchange, Context context) const;

 private:
  struct Route {
    std::string method;
    std::string path;
    Handler handler;
  };
  std::vector<Route> routes_;
};

}  // namespace keystonemail::web
