// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/http/server_session.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/format.hpp"
#include "http/body_reader.hpp"
#include "http/section_reader.hpp"
#include "http/wire.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/http/limits.hpp"

namespace keystonemail::http {
namespace {

// RFC 9112 §3.2: origin-form, absolute-form or asterisk-form. CONNECT's form is for proxies.
std::optional<Fault> read_target(std::string_view target, RequestHead& head) {
  if (head.method == "CONNECT") return Fault::unknown_method;
  if (target.starts_with('/') ? is_target(target) : target == "*" && head.method == "OPTIONS") {
    head.target = target;
    return std::nullopt;
  }
  const auto url = Url::parse(target);
  if (!url) return Fault::bad_target;
  head.target = url->target;
  head.authority = url->authority;
  return std::nullopt;
}

// RFC 9112 §3: request-line = method SP request-target SP HTTP-version
std::optional<Fault> read_request_line(std::string_view line, RequestHead& head) {
  const std::size_t first = line.find(' ');
  const std::size_t second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos || !is_token(line.substr(0, first))) return Fault::bad_start_line;
  const auto version = parse_version(line.substr(second + 1));
  if (!version) return Fault::bad_start_line;
  if (version->major != 1) return Fault::bad_version;
  head.method = line.substr(0, first);
  head.minor_version = version->minor;
  return read_target(line.substr(first + 1, second - first - 1), head);
}

// RFC 9112 §3.2: one Host, and in HTTP/1.0 none at all; an absolute target goes before it.
std::optional<Fault> read_host(RequestHead& head) {
  const std::size_t hosts = count(head.fields, "Host");
  if (hosts > 1 || (hosts == 0 && head.minor_version != 0)) return Fault::bad_host;
  const std::string* const host = find(head.fields, "Host");
  if (host == nullptr || host->empty()) return std::nullopt;
  const auto authority = Authority::parse(*host);
  if (!authority) return Fault::bad_host;
  if (head.authority.host.empty()) head.authority = *authority;
  return std::nullopt;
}

bool expects_continue(const RequestHead& head) { return head.minor_version != 0 && find(head.fields, "Expect") != nullptr; }

std::optional<Fault> read_head(std::string_view start_line, RequestHead& head, Framing& framing) {
  if (const auto fault = read_request_line(start_line, head)) return fault;
  if (const auto fault = read_host(head)) return fault;
  const auto framed = request_framing(head.fields, head.minor_version);
  if (!framed) return framed.error();
  framing = *framed;
  if (expects_continue(head) && !iequals(*find(head.fields, "Expect"), "100-continue")) return Fault::unknown_expectation;
  return std::nullopt;
}

constexpr bool has_no_body(unsigned status) noexcept { return status == 204 || status == 304; }

}  // namespace

struct ServerSession::Reading {
  SectionReader head{Section::request};
  BodyReader body{Framing{}};
};

ServerSession::ServerSession(const ServerOptions& options, Instant now)
    : options_(&options), now_(now), progress_(now), started_(now), reading_(std::make_unique<Reading>()) {}
ServerSession::ServerSession(ServerSession&&) noexcept = default;
ServerSession::~ServerSession() = default;

void ServerSession::advance(Instant now) noexcept {
  assert(now >= now_);
  now_ = now;
}

void ServerSession::resume(Instant now) {
  if (std::exchange(busy_, false)) {
    started_ += now - now_;
    progress_ = now;
  }
  advance(now);
}

bool ServerSession::idle() const noexcept { return request_ == Request::head && !reading_->head.started() && pending_output().empty(); }

// --- In ---

std::size_t ServerSession::receive(std::string_view octets, Instant now) {
  advance(now);
  if (octets.empty()) return 0;
  if (closed_) {
    discarded_ += octets.size();
    if (discarded_ > limits::discarded_octets_max) lingers_ = false;
    return octets.size();
  }
  std::size_t taken = 0;
  if (request_ == Request::head) taken = take_head(octets);
  else if (request_ == Request::body) taken = discards_ ? throw_away(octets) : take_body(octets);
  if (taken != 0) progress_ = now;
  return taken;
}

std::size_t ServerSession::take_head(std::string_view octets) {
  SectionReader& reader = reading_->head;
  if (!reader.started()) started_ = now_;
  const std::size_t taken = reader.take(octets);
  if (reader.fault()) fail(*reader.fault());
  if (!reader.done()) return taken;
  RequestHead head;
  head.fields = reader.take_fields();
  Framing framing;
  if (const auto fault = read_head(reader.take_start_line(), head, framing)) {
    fail(*fault);
    return taken;
  }
  reading_->body = BodyReader(framing);
  ask(std::move(head));
  return taken;
}

void ServerSession::ask(RequestHead head) {
  request_ = Request::asked;
  method_ = head.method;
  minor_version_ = head.minor_version;
  expects_continue_ = expects_continue(head) && !reading_->body.done();
  if (minor_version_ == 0 || list_has(head.fields, "Connection", "close") || ++requests_ >= options_->requests_max) last_ = true;
  asked_ = ServerRequest{std::move(head), reading_->body.framing().length()};
}

std::size_t ServerSession::take_body(std::string_view octets) {
  BodyReader& reader = reading_->body;
  const std::size_t taken = reader.take(octets, piece_, limits::body_piece_octets_max - piece_.size(), body_octets_max_);
  if (reader.fault()) fail(*reader.fault());
  return taken;
}

std::size_t ServerSession::throw_away(std::string_view octets) {
  BodyReader& reader = reading_->body;
  std::string nowhere;
  const std::size_t taken = reader.take(octets, nowhere, octets.size(), UINT64_MAX);
  discarded_ += taken;
  if (reader.done()) request_ = Request::over;
  else if (reader.fault() || discarded_ > limits::discarded_octets_max) leave_body();
  return taken;
}

// Nothing more is read: the connection ends with the response.
void ServerSession::leave_body() {
  request_ = Request::over;
  last_ = true;
  leaves_body_ = true;
}

void ServerSession::receive_end(Instant now) {
  advance(now);
  if (closed_) {
    lingers_ = false;
    return;
  }
  last_ = true;
  if (request_ == Request::head) {
    if (reading_->head.started()) fault_ = Fault::truncated;
    close(false);
  } else if (request_ == Request::body && !reading_->body.done()) {
    if (discards_) request_ = Request::over;
    else fail(Fault::truncated);
  }
}

void ServerSession::expire(Instant now) {
  const auto due = deadline();
  advance(now);
  if (!due || now < *due) return;
  const bool stuck = !pending_output().empty();
  if (closed_ || stuck) {
    fault_ = fault_ ? fault_ : stuck ? std::optional(Fault::timed_out) : std::nullopt;
    output_.clear();
    output_begin_ = 0;
    close(false);
  } else if (idle()) {
    close(false);  // RFC 9112 §9.5: at any time
  } else if (discards_) {
    leave_body();
  } else {
    fail(Fault::timed_out);
  }
}

std::optional<Instant> ServerSession::deadline() const noexcept {
  if (!pending_output().empty()) return progress_ + options_->write_timeout;
  if (closed_) return lingers_ ? std::optional(progress_ + options_->linger_timeout) : std::nullopt;
  if (request_ == Request::head) return reading_->head.started() ? started_ + options_->head_timeout : progress_ + options_->idle_timeout;
  if (request_ != Request::body || reading_->body.done()) return std::nullopt;
  const std::chrono::seconds earned(reading_->body.received() / std::max<std::uint64_t>(options_->body_rate_min, 1));
  return std::min(progress_ + options_->body_timeout, started_ + options_->body_timeout + earned);
}

// --- Events ---

ServerEvent ServerSession::next_event() {
  for (;;) {
    busy_ = true;
    if (asked_) return *std::exchange(asked_, std::nullopt);
    if (!piece_.empty()) {
      told_ = std::exchange(piece_, {});
      return ServerBody{told_};
    }
    if (closed_) {
      busy_ = false;
      if (pending_output().empty() && !lingers_) return ServerClosed{fault_};
      return ServerNeedInput{};
    }
    if (request_ == Request::body && !discards_ && reading_->body.done()) {
      request_ = Request::over;
      return ServerRequestEnd{reading_->body.take_trailers()};
    }
    if (response_ == Response::open && pending_output().empty()) return ServerNeedBody{};
    busy_ = false;
    if (request_ != Request::over || response_ != Response::over || !pending_output().empty()) return ServerNeedInput{};
    if (last_) close(leaves_body_);
    else begin_request();
  }
}

void ServerSession::begin_request() {
  *reading_ = Reading();
  request_ = Request::head;
  response_ = Response::none;
  discards_ = false;
  discarded_ = 0;
  told_ = {};
  progress_ = now_;
}

void ServerSession::read_body(std::uint64_t octets_max, Instant now) {
  resume(now);
  if (closed_) return;
  assert(request_ == Request::asked && response_ == Response::none);
  request_ = Request::body;
  body_octets_max_ = octets_max;
  started_ = progress_ = now;
  if (reading_->body.framing().length().value_or(0) > octets_max) fail(Fault::body_too_large);
  else if (std::exchange(expects_continue_, false)) output_ += "HTTP/1.1 100 Continue\r\n\r\n";
}

// --- Out ---

void ServerSession::respond(ResponseHead head, std::optional<std::uint64_t> body_octets, Instant now) {
  assert(head.status >= 200 && head.status <= 599);
  resume(now);
  if (closed_) return;  // a fault came before, and was answered
  assert(request_ != Request::head && response_ == Response::none);
  piece_.clear();
  const BodyReader& body = reading_->body;
  const bool is_long = body.framing().length() && *body.framing().length() - body.received() > limits::discarded_octets_max;
  if (body.done()) {
    request_ = Request::over;
  } else if (expects_continue_ || is_long) {
    leave_body();  // RFC 9110 §10.1.1: what comes may be a body, or the next request (attack G1)
  } else {
    request_ = Request::body;
    discards_ = true;
  }
  started_ = progress_ = now;
  write_head(head, body_octets);
}

void ServerSession::write_head(const ResponseHead& head, std::optional<std::uint64_t> body_octets) {
  chunked_ = !body_octets && minor_version_ != 0;
  body_left_ = body_octets;
  if (!body_octets && !chunked_) last_ = true;  // its end is that of the connection
  format_to(output_, "HTTP/1.1 {} {}\r\n", head.status, reason_phrase(head.status));
  append_fields(output_, head.fields);
  for (const Field& field : options_->common_fields) {
    if (find(head.fields, field.name) == nullptr) append_field(output_, field.name, field.value);
  }
  if (body_octets && !has_no_body(head.status)) append_field(output_, "Content-Length", std::to_string(*body_octets));
  if (chunked_ && !has_no_body(head.status)) append_field(output_, "Transfer-Encoding", "chunked");
  if (last_) append_field(output_, "Connection", "close");
  output_ += "\r\n";
  response_ = method_ == "HEAD" || has_no_body(head.status) || body_octets == 0 ? Response::over : Response::open;
}

void ServerSession::respond_with(ResponseHead head, std::string_view body, Instant now) {
  respond(std::move(head), body.size(), now);
  if (closed_ || response_ == Response::over) return;
  give_body(body, now);
  end_body(now);
}

void ServerSession::give_body(std::string_view octets, Instant now) {
  if (closed_) return;
  assert(response_ == Response::open);
  resume(now);
  if (chunked_) append_chunk(output_, octets);
  else output_ += octets;
  if (!body_left_) return;
  assert(octets.size() <= *body_left_);
  *body_left_ -= octets.size();
}

void ServerSession::end_body(Instant now) {
  if (closed_) return;
  assert(response_ == Response::open);
  assert(body_left_.value_or(0) == 0);
  resume(now);
  if (chunked_) output_ += last_chunk;
  response_ = Response::over;
}

void ServerSession::abort(Instant now) {
  advance(now);
  output_.clear();
  output_begin_ = 0;
  close(false);
}

void ServerSession::consume_output(std::size_t octets, Instant now) {
  assert(octets <= pending_output().size());
  advance(now);
  if (octets != 0) progress_ = now;
  output_begin_ += octets;
  if (output_begin_ < output_.size()) return;
  output_.clear();
  output_begin_ = 0;
}

void ServerSession::fail(Fault fault) {
  fault_ = fault;
  if (const unsigned status = status_for(fault); status != 0 && response_ == Response::none) {
    last_ = true;
    method_.clear();
    const std::string text = format("{} {}: {}\n", status, reason_phrase(status), to_string(fault));
    ResponseHead head{.status = status, .fields = {{"Content-Type", "text/plain; charset=utf-8"}}};
    write_head(head, text.size());
    output_ += text;
    close(true);
  } else {
    close(false);
  }
}

void ServerSession::close(bool lingers) noexcept {
  closed_ = true;
  lingers_ = lingers;
  discarded_ = 0;
  progress_ = now_;
  asked_.reset();
}

}  // namespace keystonemail::http
