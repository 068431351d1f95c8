// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Channel: one TLS connection between octets and octets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/time.hpp"
#include "keystonemail/tls/context.hpp"

namespace keystonemail::tls {

namespace limits {
// send() takes nothing more while this much output waits; one record may go beyond.
inline constexpr std::size_t pending_output_octets_max = 64 * 1024;
}  // namespace limits

// How a client checks the server's certificate.
enum class Verification : std::uint8_t {
  none,           // not at all
  opportunistic,  // checks, reports the outcome, goes on whatever it is (RFC 7435)
  required,       // PKIX (RFC 5280) and name (RFC 9525); the handshake fails otherwise
};

// The outcome of checking the peer's certificate.
enum class Trust : std::uint8_t {
  unchecked,
  no_certificate,
  trusted,        // chain, dates and, for a server, name
  untrusted,      // no chain to an authority, or self-signed
  expired,        // or not yet valid
  wrong_name,
  invalid,        // anything else
};

// Why a channel failed.
enum class Fault : std::uint8_t {
  none,
  not_tls,                  // the first octets are no TLS record
  version,                  // no version in common
  negotiation,              // no cipher, group or signature algorithm in common
  application_protocol,     // RFC 7301 §3.2: none in common
  certificate,              // the peer's certificate was refused: see trust()
  peer_alert,               // the peer gave up: see alert()
  truncated,                // the transport ended without close_notify (RFC 8446 §6.1)
  renegotiation,            // the peer asked for it
  protocol,                 // anything else the peer did wrong: bad record, bad message, wrong order
  internal,
};

[[nodiscard]] std::string_view to_string(Trust trust) noexcept;
[[nodiscard]] std::string_view to_string(Fault fault) noexcept;

enum class ChannelState : std::uint8_t {
  handshaking,
  open,
  peer_closed,  // close_notify came: what was received is complete. Sending still works until close()
  failed,       // see fault(); pending output may hold an alert for the peer
};

// What was negotiated.
struct ConnectionInfo {
  Version version = Version::tls1_3;
  std::string cipher;                // IANA name: "TLS_AES_128_GCM_SHA256"
  unsigned cipher_bits = 0;
  std::string group;                 // IANA name: "x25519", "secp256r1"; empty if unknown
  std::string server_name;           // SNI; empty if none
  std::string application_protocol;  // empty if none
  bool resumed = false;

  // For a Received field (RFC 8314 §4.3): "tls TLS_AES_128_GCM_SHA256 group x25519".
  [[nodiscard]] std::string received_clause() const;
};

// A session that a client may offer again. Ownership: a value that shares immutable state. Threads: any.
class ClientSession {
 public:
  struct State;
  explicit ClientSession(std::shared_ptr<const State> state) noexcept : state_(std::move(state)) {}
  [[nodiscard]] const State& state() const noexcept { return *state_; }

 private:
  std::shared_ptr<const State> state_;
};

struct ClientRequest {
  std::string server_name;              // A-labels or an IP address: what is checked, and named to the server if a name
  Verification verification = Verification::required;
  std::optional<ClientSession> session = {};  // ignored unless made with the same context, name and verification
};

// Channel is one side of a TLS connection. It does no I/O: ciphertext goes in, plaintext comes out, and the reverse.
//
// Ownership: shares its context; owns all else. Views are good until the next non-const call.
// Threads: not synchronised. Channels share only thread-safe state, so one per thread is safe.
// Errors: what a peer does wrong is a state and a fault(), never an exception. Throws only bad_alloc.
// Limits: holds one partial record (16 KiB) of input, limits::pending_output_octets_max and a record of output, and
//   about 4 KiB when idle. Plaintext given is never more than the ciphertext received.
class Channel {
 public:
  // `now` is for the validity of certificates and the age of ticket keys.
  [[nodiscard]] static Channel server(std::shared_ptr<const ServerContext> context, WallTime now);
  [[nodiscard]] static Channel client(std::shared_ptr<const ClientContext> context, const ClientRequest& request, WallTime now);
  Channel(Channel&&) noexcept;
  Channel& operator=(Channel&&) noexcept;
  ~Channel();

  // Takes all of `ciphertext` and appends what it decrypts to to `plaintext`, which may grow while the state is still
  // handshaking or has just become peer_closed or failed: octets before that were authentic. Ignored once over.
  void receive(std::string_view ciphertext, std::string& plaintext);
  // The transport ended. Without close_notify before it, that is Fault::truncated.
  void receive_end();

  [[nodiscard]] ChannelState state() const noexcept;
  [[nodiscard]] Fault fault() const noexcept;
  [[nodiscard]] std::optional<std::uint8_t> alert() const noexcept;  // the number received (RFC 8446 §6)
  [[nodiscard]] const std::string& fault_detail() const noexcept;    // for the log

  // Encrypts, and returns how many octets of the pieces together it took: all, unless the output is full, the handshake
  // is not over, or the channel is closed or failed. Small pieces share a record.
  [[nodiscard]] std::size_t send(std::span<const std::string_view> pieces);
  [[nodiscard]] std::size_t send(std::string_view piece) { return send({&piece, 1}); }
  // Puts close_notify behind what was sent; nothing can be sent afterwards. Does nothing the second time.
  void close();

  [[nodiscard]] std::string_view pending_output() const noexcept;
  // REQUIRES: no more than what is pending.
  void consume_output(std::size_t octets) noexcept;

  // REQUIRES for all below: state() is open or peer_closed.
  [[nodiscard]] ConnectionInfo info() const;
  [[nodiscard]] Trust trust() const noexcept;  // also after a failed handshake
  // The peer's certificates as DER, leaf first; empty when it gave none. For DANE (RFC 6698), EXTERNAL, logs.
  [[nodiscard]] std::vector<std::string> peer_chain() const;
  // Channel bindings for SCRAM; nothing where the standard defines none for this connection.
  [[nodiscard]] std::optional<std::string> exporter_binding() const;   // "tls-exporter", RFC 9266
  [[nodiscard]] std::optional<std::string> end_point_binding() const;  // "tls-server-end-point", RFC 5929 §4.1
  // The newest session the server gave, once; a client in TLS 1.3 has it after its first octets arrive.
  [[nodiscard]] std::optional<ClientSession> take_session();

  struct State;

 private:
  explicit Channel(std::unique_ptr<State> state) noexcept;
  std::unique_ptr<State> state_;
};

}  // namespace keystonemail::tls
