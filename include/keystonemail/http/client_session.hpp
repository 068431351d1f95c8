// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// ClientSession: the client side of one HTTP/1.1 connection (RFC 9110, RFC 9112). No I/O and no clock: see ServerSession for the
// shape. One request at a time.
//
//   send() → ClientNeedBody… → ClientResponse → ClientBody… → ClientResponseEnd → send()
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

struct ClientOptions {
  std::chrono::seconds response_timeout{60};       // from the end of the request to the end of the response's header
  std::chrono::seconds body_timeout{60};           // for the next octets of a body
  std::chrono::seconds write_timeout{60};          // for our octets to be taken
  std::chrono::seconds continue_timeout{1};        // for 100 Continue, before the body is sent without (RFC 9110 §10.1.1)
};

// Nothing to do: write pending output, then read.
struct ClientNeedInput {};
// The request's body is wanted: give_body() or end_body(). Comes again whenever what was given has been written.
struct ClientNeedBody {};
// The header of the final response is there. A request whose body has not been sent to its end is not sent any further.
struct ClientResponse {
  ResponseHead head;
  std::optional<std::uint64_t> body_octets;        // zero: none; absent: not known before its end
};
// A piece of its body. The view lives until the next non-const call.
struct ClientBody {
  std::string_view octets;
};
// The response is complete. `reusable`: send() may be called again; else the connection is to be closed.
struct ClientResponseEnd {
  Fields trailers;
  bool reusable = false;
};
// The last event, again and again. Without a fault: the peer closed between responses, or there was nothing left to do.
struct ClientClosed {
  std::optional<Fault> fault;
};
using ClientEvent = std::variant<ClientNeedInput, ClientNeedBody, ClientResponse, ClientBody, ClientResponseEnd, ClientClosed>;

enum class Expectation : std::uint8_t { none, continue_first };

// How the connection ended: TLS tells a cut from an end, and a body that ends with it is only whole after the latter.
enum class InputEnd : std::uint8_t { proper, cut };

// Ownership: borrows `options`; owns all else. Threads: not synchronised.
// Errors: what a peer does wrong ends the session with ClientClosed and the fault.
// Limits: limits.hpp: one header, one piece of a body, and what give_body() was given until it is written.
class ClientSession {
 public:
  ClientSession(const ClientOptions& options, Instant now);
  ClientSession(ClientSession&&) noexcept;
  ClientSession& operator=(ClientSession&&) = delete;
  ~ClientSession();

  // Begins a request. Host comes from the head's authority; Content-Length or Transfer-Encoding are added. `body_octets` absent: not
  // known yet. REQUIRES: can_send(); a method and names that are tokens, a target that is_target().
  void send(RequestHead head, std::optional<std::uint64_t> body_octets, Expectation expectation, Instant now);
  [[nodiscard]] bool can_send() const noexcept { return request_ == Request::none && !closed_; }
  // After ClientNeedBody. REQUIRES: as much in all as send() promised.
  void give_body(std::string_view octets, Instant now);
  void end_body(Instant now);

  // May take less than it is given: no more than one piece of a body at a time.
  [[nodiscard]] std::size_t receive(std::string_view octets, Instant now);
  void receive_end(InputEnd end, Instant now);
  void expire(Instant now);
  [[nodiscard]] std::optional<Instant> deadline() const noexcept;
  [[nodiscard]] ClientEvent next_event();
  // Before waiting for the peer: the time since the last event was ours, and does not count against it.
  void resume(Instant now);

  [[nodiscard]] std::string_view pending_output() const noexcept { return std::string_view(output_).substr(output_begin_); }
  // REQUIRES: no more than what is pending.
  void consume_output(std::size_t octets, Instant now);

 private:
  enum class Request : std::uint8_t { none, waits, body, sent };  // waits: for 100 Continue
  enum class Response : std::uint8_t { none, head, body };
  struct Reading;  // private: the readers

  [[nodiscard]] std::size_t take_head(std::string_view octets);
  [[nodiscard]] std::optional<Fault> on_head(ResponseHead head);
  void stop_sending() noexcept;
  void fail(Fault fault);
  void advance(Instant now) noexcept;

  const ClientOptions* options_;
  Instant now_;
  Instant progress_;
  bool busy_ = false;
  bool closed_ = false;
  bool last_ = false;                  // the connection ends with this response
  std::optional<Fault> fault_;

  Request request_ = Request::none;
  std::string method_;
  bool chunked_ = false;               // the request's body
  std::optional<std::uint64_t> body_left_;

  Response response_ = Response::none;
  std::unique_ptr<Reading> reading_;
  std::size_t interim_responses_ = 0;
  std::optional<ClientResponse> answered_;  // to be told
  std::string piece_;                  // of the response's body, to be told
  std::string told_;                   // the one that was

  std::string output_;
  std::size_t output_begin_ = 0;
};

}  // namespace keystonemail::http
