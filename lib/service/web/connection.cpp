// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/web/connection.hpp"

#include <algorithm>
#include <cassert>
#include <exception>
#include <utility>

#include "keystonemail/http/date.hpp"

namespace keystonemail::web {
namespace {

constexpr auto farewell_time = std::chrono::seconds(2);

}  // namespace

Connection::Connection(const Options& options, const Services& services, std::unique_ptr<transport::ByteStream> stream, std::string id, Context context)
    : options_(options),
      services_(services),
      stream_(std::move(stream)),
      id_(std::move(id)),
      context_(std::move(context)),
      session_(options_.engine, context_.executor->now()) {}

Task<void> Connection::run() {
  for (;;) {
    http::ServerEvent event = co_await next();
    if (const auto* closed = std::get_if<http::ServerClosed>(&event)) {
      if (closed->fault)
        services_.log.event(LogLevel::info, "web.closed", {{"session", id_}, {"peer", peer().to_string()}, {"fault", to_string(*closed->fault)}});
      break;
    }
    auto* request = std::get_if<http::ServerRequest>(&event);
    if (request == nullptr) continue;
    request_ = std::move(request->head);
    co_await answer();
  }
  const Context brief = working().until(now() + farewell_time);
  co_await stream_->close(brief);
}

Task<void> Connection::answer() {
  body_ = Body::untouched;
  answer_ = Answer::none;
  status_ = 0;
  co_await serve_site();
  if (answer_ == Answer::none && !closed_) respond_plainly(*this, 500);
  if (answer_ == Answer::begun) session_.abort(now());
  services_.log.event(LogLevel::info, "web.request",
                      {{"session", id_}, {"peer", peer().to_string()}, {"host", request_.authority.host}, {"method", request_.method},
                       {"path", request_.path().substr(0, 200)}, {"status", std::uint64_t{status_}}});
  if (context_.stop.stop_requested()) session_.close_after_this();
}

Task<void> Connection::serve_site() {
  try {
    const auto known = co_await services_.site.has_host(request_.authority.host, working());
    if (!known) respond_plainly(*this, 503);
    else if (!*known) respond_plainly(*this, 421);
    else co_await services_.site.serve(*this, working());
  } catch (const std::exception& thrown) {
    services_.log.event(LogLevel::error, "web.handler.threw", {{"session", id_}, {"what", thrown.what()}});
  }
}

Task<Result<std::string_view>> Connection::read_body(std::uint64_t octets_max) {
  assert(answer_ == Answer::none);
  if (body_ == Body::ended) co_return std::string_view();
  if (body_ == Body::untouched) session_.read_body(octets_max, now());
  body_ = Body::read;
  for (;;) {
    const http::ServerEvent event = co_await next();
    if (const auto* piece = std::get_if<http::ServerBody>(&event)) co_return piece->octets;
    if (std::holds_alternative<http::ServerRequestEnd>(event)) {
      body_ = Body::ended;
      co_return std::string_view();
    }
    if (closed_) co_return fail(fault_ == http::Fault::body_too_large ? ErrorKind::too_large : ErrorKind::unavailable, {}, "the peer is gone");
  }
}

http::ResponseHead Connection::dated(http::ResponseHead head) const {
  head.fields.push_back({"Date", http::format_date(context_.executor->wall_now())});
  return head;
}

void Connection::respond(http::ResponseHead head, std::string_view body) {
  assert(answer_ == Answer::none);
  status_ = head.status;
  answer_ = Answer::done;
  session_.respond_with(dated(std::move(head)), body, now());
}

void Connection::begin_response(http::ResponseHead head, std::optional<std::uint64_t> body_octets) {
  assert(answer_ == Answer::none);
  status_ = head.status;
  answer_ = Answer::begun;
  session_.respond(dated(std::move(head)), body_octets, now());
}

// The engine asks for more once all before has been written.
Task<Result<void>> Connection::write(std::string_view octets) {
  assert(answer_ == Answer::begun);
  if (!session_.wants_body() && !closed_) co_return Result<void>();  // HEAD and its like
  const http::ServerEvent event = co_await next();
  if (closed_) co_return fail(ErrorKind::unavailable, {}, "the peer is gone");
  session_.give_body(octets, now());
  co_return Result<void>();
}

void Connection::finish() {
  assert(answer_ == Answer::begun);
  answer_ = Answer::done;
  if (session_.wants_body()) session_.end_body(now());
}

Task<http::ServerEvent> Connection::next() {
  for (;;) {
    http::ServerEvent event = session_.next_event();
    if (const auto* closed = std::get_if<http::ServerClosed>(&event)) {
      closed_ = true;
      fault_ = closed->fault;
    }
    if (!std::holds_alternative<http::ServerNeedInput>(event)) co_return event;
    co_await exchange_octets();
  }
}

// Writes what there is, else waits for the peer.
Task<void> Connection::exchange_octets() {
  session_.resume(now());
  Context wait = session_.idle() ? context_ : working();  // a connection without a request ends when the server does
  if (const auto deadline = session_.deadline()) wait.deadline = std::min(wait.deadline, *deadline);
  const std::string_view output = session_.pending_output();
  std::optional<ErrorKind> lost;
  if (!output.empty()) {
    const auto written = co_await stream_->write({&output, 1}, wait);
    if (written) session_.consume_output(output.size(), now());
    else lost = written.error().kind();
  } else {
    const auto got = co_await stream_->read(wait);
    if (!got) lost = got.error().kind();
    else if (got->empty()) session_.receive_end(now());
    else stream_->consume(session_.receive(*got, now()));
  }
  if (!lost) co_return;
  if (*lost == ErrorKind::timeout) session_.expire(now());
  else if (output.empty() && *lost != ErrorKind::cancelled) session_.receive_end(now());
  else session_.abort(now());
}

}  // namespace keystonemail::web
