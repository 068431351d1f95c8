// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/web/site.hpp"

#include "base/format.hpp"
#include "base/try.hpp"
#include "keystonemail/http/fault.hpp"

namespace keystonemail::web {

Task<Result<std::string>> read_whole_body(Exchange& exchange, std::size_t octets_max) {
  std::string body;
  for (;;) {
    KM_CO_TRY(const std::string_view piece, co_await exchange.read_body(octets_max));
    if (piece.empty()) co_return body;
    body += piece;
  }
}

void respond_plainly(Exchange& exchange, unsigned status, http::Fields fields) {
  fields.push_back({"Content-Type", "text/plain; charset=utf-8"});
  exchange.respond({.status = status, .fields = std::move(fields)}, format("{} {}\n", status, http::reason_phrase(status)));
}

void Router::add(std::string method, std::string path, Handler handler) {
  routes_.push_back({std::move(method), std::move(path), std::move(handler)});
}

Task<void> Router::route(Exchange& exchange, Context context) const {
  const http::RequestHead& request = exchange.request();
  const std::string_view method = request.method == "HEAD" ? std::string_view("GET") : std::string_view(request.method);
  std::string allowed;
  for (const Route& route : routes_) {
    if (route.path != request.path()) continue;
    if (route.method == method) co_return co_await route.handler(exchange, std::move(context));
    allowed += (allowed.empty() ? "" : ", ") + route.method + (route.method == "GET" ? ", HEAD" : "");
  }
  http::Fields fields;
  if (!allowed.empty()) fields.push_back({"Allow", allowed});
  respond_plainly(exchange, allowed.empty() ? 404 : 405, std::move(fields));
}

}  // namespace keystonemail::web
