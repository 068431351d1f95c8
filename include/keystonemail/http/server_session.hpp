// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// ServerSession: the server side of one HTTP/1.1 connection (RFC 9110, RFC 9112). No I/O and no clock: octets and the time go
// in, events and octets come out. Bodies are never whole in memory: what is not asked for is not taken.
//
//   ServerRequest → read_body() → ServerBody… → ServerRequestEnd → respond() → ServerNeedBody… → the next ServerRequest
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "keystonemail/base/time.hpp"
#include "keystonemail/http/fault.hpp"
#include "keystonemail/http/fields.hpp"
#include "keystonemail/http/message.hpp"

namespace keystonemail::http {

struct ServerOptions {
  Fields common_fields;                            // of every response that does not bring its own
  std::size_t requests_max = 1'000;                // of one connection
  std::chrono::seconds idle_timeout{60};           // between requests
  std::chrono::seconds head_timeout{30};           // from the first octet of a request to the end of its header
  std::chrono::seconds body_timeout{30};           // for the next octets of a body
  std::uint64_t body_rate_min = 512;               // octets a second, after the first body_timeout (slow senders)
  std::chrono::seconds write_timeout{60};          // for our octets to be taken
  std::chrono::seconds linger_timeout{2};          // for a peer to read why we close, before we do
};

// Nothing to do: write pending output, then read.
struct ServerNeedInput {};
// The header of a request is there. Answer with read_body() or respond().
struct ServerRequest {
  RequestHead head;
  std::optional<std::uint64_t> body_octets;        // zero: none; absent: not known before its end
};
// A piece of its body. The view lives until the next non-const call.
struct ServerBody {
  std::string_view octets;
};
// The body is complete. Answer with respond().
struct ServerRequestEnd {
  Fields trailers;
};
// The response's body is wanted: give_body() or end_body(). Comes again whenever what was given has been written.
struct ServerNeedBody {};
// The last event, again and again: close the connection. A fault has been answered where that was possible.
struct ServerClosed {
  std::optional<Fault> fault;
};
using ServerEvent = std::variant<ServerNeedInput, ServerRequest, ServerBody, ServerRequestEnd, ServerNeedBody, ServerClosed>;

// Ownership: borrows `options`; owns all else. Threads: not synchronised.
// Errors: what a peer does wrong is answered by the session itself, and ends it with ServerClosed.
// Limits: limits.hpp: one header, one piece of a body, and what give_body() was given until it is written.
class ServerSession {
 public:
  ServerSession(const ServerOptions& options, Instant now);
  ServerSession(ServerSession&&) noexcept;
  ServerSession& operator=(ServerSession&&) = delete;
  ~ServerSession();

  // May take less than it is given: nothing beyond a request that has not been answered.
  [[nodiscard]] std::size_t receive(std::string_view octets, Instant now);
  void receive_end(Instant now);
  void expire(Instant now);
  [[nodiscard]] std::optional<Instant> deadline() const noexcept;
  [[nodiscard]] ServerEvent next_event();

  // After ServerRequest: lets the body come, at most so much of it; more is 413. Says 100 Continue to who waits for that.
  void read_body(std::uint64_t octets_max, Instant now);
  // After ServerRequest or any later event of the request, once. Content-Length or Transfer-Encoding, Connection and the common
  // fields are added. `body_octets` absent: not known yet; zero: no body, and none is asked for. What is left of the request's body is
  // thrown away when little is, else the connection ends. REQUIRES: status of 200 to 599; names that are tokens.
  void respond(ResponseHead head, std::optional<std::uint64_t> body_octets, Instant now);
  // Head and body in one. The body is not sent where there may be none (HEAD, 204, 304).
  void respond_with(ResponseHead head, std::string_view body, Instant now);
  // After ServerNeedBody. REQUIRES: as much in all as respond() promised.
  void give_body(std::string_view octets, Instant now);
  void end_body(Instant now);
  // Whether the response has a body that is still to come.
  [[nodiscard]] bool wants_body() const noexcept { return response_ == Response::open && !closed_; }
  // Ends the connection in the middle of a response that cannot be finished, so that nobody takes it for a whole one.
  void abort(Instant now);
  // No more requests after the present one.
  void close_after_this() noexcept { last_ = true; }

  [[nodiscard]] std::string_view pending_output() const noexcept { return std::string_view(output_).substr(output_begin_); }
  // REQUIRES: no more than what is pending.
  void consume_output(std::size_t octets, Instant now);
  // Before waiting for the peer: the time since the last event was ours, and does not count against it.
  void resume(Instant now);
  // Whether no request is under way: the connection may be closed at any time.
  [[nodiscard]] bool idle() const noexcept;

 private:
  enum class Request : std::uint8_t { head, asked, body, over };
  enum class Response : std::uint8_t { none, open, over };
  struct Reading;  // private: the readers

  [[nodiscard]] std::size_t take_head(std::string_view octets);
  [[nodiscard]] std::size_t take_body(std::string_view octets);
  [[nodiscard]] std::size_t throw_away(std::string_view octets);
  void begin_request();
  void ask(RequestHead head);
  void leave_body();
  void write_head(const ResponseHead& head, std::optional<std::uint64_t> body_octets);
  void fail(Fault fault);
  void close(bool lingers) noexcept;
  void advance(Instant now) noexcept;

  const ServerOptions* options_;
  Instant now_;
  Instant progress_;                   // the last of the peer
  Instant started_;                    // the header, then the body
  bool busy_ = false;                  // the service has something to do
  std::size_t requests_ = 0;
  Request request_ = Request::head;
  Response response_ = Response::none;
  bool last_ = false;                  // the connection ends with this response
  bool closed_ = false;
  bool discards_ = false;              // what comes of the body is thrown away
  bool leaves_body_ = false;           // the peer may be sending what nobody reads
  bool lingers_ = false;
  std::optional<Fault> fault_;

  std::unique_ptr<Reading> reading_;
  std::optional<ServerRequest> asked_;  // to be told
  std::string method_;
  unsigned minor_version_ = 1;
  bool expects_continue_ = false;
  std::uint64_t body_octets_max_ = 0;
  std::size_t discarded_ = 0;
  std::string piece_;                  // of the request's body, to be told
  std::string told_;                   // the one that was

  bool chunked_ = false;               // the response's body
  std::optional<std::uint64_t> body_left_;
  std::string output_;
  std::size_t output_begin_ = 0;
};

}  // namespace keystonemail::http
