// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// transport: TLS over any ByteStream, from the first octet or in the middle of a session (STARTTLS).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "keystonemail/tls/channel.hpp"
#include "keystonemail/transport/byte_stream.hpp"

namespace keystonemail::transport {

// Whether octets may already have been read from the connection when TLS begins.
enum class TlsStart : std::uint8_t {
  implicit,  // TLS from the start: unread octets belong to the handshake
  upgrade,   // after STARTTLS: octets that came before the handshake are an injection (CVE-2011-0411), never to be
             // interpreted on either side of it: they are dropped, and the start fails with ErrorKind::denied
};

// A ByteStream whose octets are encrypted.
//
// Ownership: owns the stream below. Threads: those of the stream below.
// Errors: besides those of the stream below, `unavailable` when the connection ended without close_notify (what was
//   read before is authentic, what is missing is unknown), `invalid` when the peer broke the protocol.
// Limits: holds the plaintext of one read (64 KiB at most) until it is consumed; while idle the TLS state alone.
class TlsStream final : public ByteStream {
 public:
  // Do the handshake, as the server or the client; the context's deadline is that of the handshake. On failure the
  // connection is told why, as far as TLS can, and closed; the error's detail names the fault, for the log.
  [[nodiscard]] static Task<Result<std::unique_ptr<TlsStream>>> accept(
      std::unique_ptr<ByteStream> below, std::shared_ptr<const tls::ServerContext> server, TlsStart start,
      Context context);
  [[nodiscard]] static Task<Result<std::unique_ptr<TlsStream>>> connect(
      std::unique_ptr<ByteStream> below, std::shared_ptr<const tls::ClientContext> client, tls::ClientRequest request,
      TlsStart start, Context context);
  ~TlsStream() override;

  [[nodiscard]] Task<Result<std::string_view>> read(Context context) override;
  void consume(std::size_t octets) noexcept override;
  [[nodiscard]] std::size_t unconsumed() const noexcept override { return plaintext_.size() - consumed_; }
  [[nodiscard]] Task<Result<void>> write(std::span<const std::string_view> pieces, Context context) override;
  [[nodiscard]] Task<void> close(Context context) override;
  [[nodiscard]] const Endpoint& peer() const noexcept override { return below_->peer(); }
  [[nodiscard]] const Endpoint& local() const noexcept override { return below_->local(); }

  // What was negotiated, the peer's certificates, the channel bindings.
  [[nodiscard]] const tls::Channel& channel() const noexcept { return channel_; }
  // The newest session the server gave, for the next connection to it.
  [[nodiscard]] std::optional<tls::ClientSession> take_session() { return channel_.take_session(); }

 private:
  TlsStream(std::unique_ptr<ByteStream> below, tls::Channel channel);

  [[nodiscard]] static Task<Result<std::unique_ptr<TlsStream>>> start(std::unique_ptr<TlsStream> stream, TlsStart how,
                                                                      Context context);
  [[nodiscard]] Task<Result<void>> handshake(Context context);
  [[nodiscard]] Task<Result<void>> receive_more(Context context);
  [[nodiscard]] Task<Result<void>> flush(Context context);
  [[nodiscard]] std::unexpected<Error> failure() const;

  struct Writers;
  std::unique_ptr<ByteStream> below_;
  tls::Channel channel_;
  std::unique_ptr<Writers> writers_;
  std::string plaintext_;
  std::size_t consumed_ = 0;  // of plaintext_
  std::string outgoing_;      // what is being written below
};

}  // namespace keystonemail::transport
