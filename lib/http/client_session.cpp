// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/http/client_session.hpp"

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

// RFC 9112 §4: status-line = HTTP-version SP status-code SP [ reason-phrase ]
// LENIENT: the second space may be missing, as servers without a reason phrase leave it out.
std::optional<Fault> read_status_line(std::string_view line, ResponseHead& head) {
  const auto version = parse_version(line.substr(0, 8));
  if (!version || line.size() < 12 || line[8] != ' ' || (line.size() > 12 && line[12] != ' ')) return Fault::bad_start_line;
  if (version->major != 1) return Fault::bad_version;
  const auto status = parse_decimal(line.substr(9, 3), 599);
  if (!status || *status < 100) return Fault::bad_start_line;
  head.status = static_cast<unsigned>(*status);
  head.minor_version = version->minor;
  return std::nullopt;
}

bool sends_no_length(std::string_view method) { return method == "GET" || method == "HEAD" || method == "DELETE" || method == "OPTIONS"; }

}  // namespace

struct ClientSession::Reading {
  SectionReader head{Section::response};
  BodyReader body{Framing{}};
};

ClientSession::ClientSession(const ClientOptions& options, Instant now)
    : options_(&options), now_(now), progress_(now), reading_(std::make_unique<Reading>()) {}
ClientSession::ClientSession(ClientSession&&) noexcept = default;
ClientSession::~ClientSession() = default;

void ClientSession::advance(Instant now) noexcept {
  assert(now >= now_);
  now_ = now;
}

void ClientSession::resume(Instant now) {
  if (std::exchange(busy_, false)) progress_ = now;
  advance(now);
}

// --- Out ---

void ClientSession::send(RequestHead head, std::optional<std::uint64_t> body_octets, Expectation expectation, Instant now) {
  assert(can_send());
  assert(is_token(head.method) && (is_target(head.target) || head.target == "*"));
  advance(now);
  progress_ = now;
  method_ = head.method;
  chunked_ = !body_octets;
  body_left_ = body_octets;
  output_ += head.method + ' ' + head.target + " HTTP/1.1\r\n";
  append_field(output_, "Host", head.authority.to_string());
  append_fields(output_, head.fields);
  if (chunked_) append_field(output_, "Transfer-Encoding", "chunked");
  else if (*body_octets != 0 || !sends_no_length(method_)) append_field(output_, "Content-Length", std::to_string(*body_octets));
  const bool has_body = body_octets != 0;
  const bool waits = has_body && expectation == Expectation::continue_first;
  if (waits) append_field(output_, "Expect", "100-continue");
  output_ += "\r\n";
  if (list_has(head.fields, "Connection", "close")) last_ = true;
  request_ = waits ? Request::waits : has_body ? Request::body : Request::sent;
  response_ = Response::head;
  *reading_ = Reading();
  interim_responses_ = 0;
}

void ClientSession::give_body(std::string_view octets, Instant now) {
  if (closed_ || request_ != Request::body) return;  // the response came before its end
  resume(now);
  if (chunked_) append_chunk(output_, octets);
  else output_ += octets;
  if (!body_left_) return;
  assert(octets.size() <= *body_left_);
  *body_left_ -= octets.size();
}

void ClientSession::end_body(Instant now) {
  if (closed_ || request_ != Request::body) return;
  assert(body_left_.value_or(0) == 0);
  resume(now);
  if (chunked_) output_ += last_chunk;
  request_ = Request::sent;
}

void ClientSession::consume_output(std::size_t octets, Instant now) {
  assert(octets <= pending_output().size());
  advance(now);
  if (octets != 0) progress_ = now;
  output_begin_ += octets;
  if (output_begin_ < output_.size()) return;
  output_.clear();
  output_begin_ = 0;
}

// A server that answers before the end of a request has not read it to there.
void ClientSession::stop_sending() noexcept {
  if (request_ == Request::sent && pending_output().empty()) return;
  last_ = true;
  request_ = Request::sent;
  output_.clear();
  output_begin_ = 0;
}

// --- In ---

std::size_t ClientSession::receive(std::string_view octets, Instant now) {
  advance(now);
  if (octets.empty() || closed_ || answered_) return closed_ ? octets.size() : 0;
  std::size_t taken = 0;
  if (response_ == Response::none) {
    fail(Fault::unexpected_message);
  } else if (response_ == Response::head) {
    taken = take_head(octets);
  } else {
    BodyReader& body = reading_->body;
    taken = body.take(octets, piece_, limits::body_piece_octets_max - piece_.size(), UINT64_MAX);
    if (body.fault()) fail(*body.fault());
  }
  if (taken != 0) progress_ = now;
  return closed_ ? octets.size() : taken;
}

std::size_t ClientSession::take_head(std::string_view octets) {
  SectionReader& reader = reading_->head;
  const std::size_t taken = reader.take(octets);
  std::optional<Fault> fault = reader.fault();
  if (reader.done()) {
    ResponseHead head;
    head.fields = reader.take_fields();
    fault = read_status_line(reader.take_start_line(), head);
    if (!fault) fault = on_head(std::move(head));
  }
  if (fault) fail(*fault);
  return taken;
}

std::optional<Fault> ClientSession::on_head(ResponseHead head) {
  if (head.status < 200) {
    // RFC 9110 §15.2: 101 answers an Upgrade that we never send.
    if (head.status == 101 || ++interim_responses_ > limits::interim_responses_max) return Fault::unexpected_message;
    if (head.status == 100 && request_ == Request::waits) request_ = Request::body;
    reading_->head = SectionReader(Section::response);
    return std::nullopt;
  }
  const auto framing = response_framing(head.fields, head.minor_version, head.status, method_);
  if (!framing) return framing.error();
  stop_sending();
  if (head.minor_version == 0 || list_has(head.fields, "Connection", "close") || framing->kind == Framing::Kind::until_close) last_ = true;
  reading_->body = BodyReader(*framing);
  response_ = Response::body;
  answered_ = ClientResponse{std::move(head), framing->length()};
  return std::nullopt;
}

void ClientSession::receive_end(InputEnd end, Instant now) {
  advance(now);
  if (closed_) return;
  last_ = true;
  if (response_ == Response::none) {
    closed_ = true;
  } else if (response_ == Response::head) {
    fail(Fault::truncated);
  } else {
    reading_->body.take_end(end == InputEnd::proper);
    if (reading_->body.fault()) fail(*reading_->body.fault());
  }
}

void ClientSession::expire(Instant now) {
  const auto due = deadline();
  advance(now);
  if (!due || now < *due) return;
  if (request_ == Request::waits && pending_output().empty()) {
    request_ = Request::body;
    progress_ = now;
  } else {
    fail(Fault::timed_out);
  }
}

std::optional<Instant> ClientSession::deadline() const noexcept {
  if (closed_ || response_ == Response::none) return std::nullopt;
  if (!pending_output().empty()) return progress_ + options_->write_timeout;
  if (request_ == Request::waits) return progress_ + options_->continue_timeout;
  if (response_ == Response::head) return progress_ + options_->response_timeout;
  return reading_->body.done() ? std::nullopt : std::optional(progress_ + options_->body_timeout);
}

ClientEvent ClientSession::next_event() {
  busy_ = true;
  if (answered_) return *std::exchange(answered_, std::nullopt);
  if (!piece_.empty()) {
    told_ = std::exchange(piece_, {});
    return ClientBody{told_};
  }
  if (!closed_ && response_ == Response::body && reading_->body.done()) {
    response_ = Response::none;
    request_ = Request::none;
    closed_ = last_;
    return ClientResponseEnd{reading_->body.take_trailers(), !last_};
  }
  if (closed_) return ClientClosed{fault_};
  if (request_ == Request::body && pending_output().empty()) return ClientNeedBody{};
  busy_ = false;
  return ClientNeedInput{};
}

void ClientSession::fail(Fault fault) {
  fault_ = fault;
  closed_ = true;
  output_.clear();
  output_begin_ = 0;
}

}  // namespace keystonemail::http
