// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/transport/tls_stream.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>
#include <vector>

#include "base/try.hpp"
#include "transport/waiter.hpp"

namespace keystonemail::transport {

namespace {

// Kept between reads and writes, so that a talkative connection does not allocate for every line.
constexpr std::size_t kept_octets_max = 512;

void release(std::string& buffer) {
  if (buffer.capacity() > kept_octets_max) {
    buffer = {};
  } else {
    buffer.clear();
  }
}

// Drops the first `octets` of all pieces together.
std::span<std::string_view> drop(std::span<std::string_view> pieces, std::size_t octets) {
  while (!pieces.empty() && octets >= pieces.front().size()) {
    octets -= pieces.front().size();
    pieces = pieces.subspan(1);
  }
  if (octets > 0) pieces.front().remove_prefix(octets);
  return pieces;
}

}  // namespace

// A read may have to write (an alert, an answer to a key update) while a write waits.
struct TlsStream::Writers {
  bool writing = false;
  Waiter turn;
};

TlsStream::TlsStream(std::unique_ptr<ByteStream> below, tls::Channel channel)
    : below_(std::move(below)), channel_(std::move(channel)), writers_(std::make_unique<Writers>()) {}

TlsStream::~TlsStream() = default;

Task<Result<std::unique_ptr<TlsStream>>> TlsStream::accept(std::unique_ptr<ByteStream> below,
                                                           std::shared_ptr<const tls::ServerContext> server,
                                                           TlsStart start, Context context) {
  auto channel = tls::Channel::server(std::move(server), context.executor->wall_now());
  std::unique_ptr<TlsStream> stream(new TlsStream(std::move(below), std::move(channel)));
  return TlsStream::start(std::move(stream), start, std::move(context));
}

Task<Result<std::unique_ptr<TlsStream>>> TlsStream::connect(std::unique_ptr<ByteStream> below,
                                                            std::shared_ptr<const tls::ClientContext> client,
                                                            tls::ClientRequest request, TlsStart start,
                                                            Context context) {
  auto channel = tls::Channel::client(std::move(client), request, context.executor->wall_now());
  std::unique_ptr<TlsStream> stream(new TlsStream(std::move(below), std::move(channel)));
  return TlsStream::start(std::move(stream), start, std::move(context));
}

Task<Result<std::unique_ptr<TlsStream>>> TlsStream::start(std::unique_ptr<TlsStream> stream, TlsStart how,
                                                          Context context) {
  if (const std::size_t left = stream->below_->unconsumed(); how == TlsStart::upgrade && left > 0) {
    stream->below_->consume(left);
    co_return fail(ErrorKind::denied, {}, "octets in the clear before the TLS handshake");
  }
  if (auto done = co_await stream->handshake(context); !done) {
    co_await stream->below_->close(std::move(context));
    co_return std::unexpected(std::move(done).error());
  }
  co_return std::move(stream);
}

Task<Result<void>> TlsStream::handshake(Context context) {
  for (;;) {
    KM_CO_CHECK(co_await flush(context));
    if (channel_.state() == tls::ChannelState::failed) co_return failure();
    if (channel_.state() != tls::ChannelState::handshaking) co_return Result<void>();
    KM_CO_CHECK(co_await receive_more(context));
  }
}

Task<Result<std::string_view>> TlsStream::read(Context context) {
  while (unconsumed() == 0) {
    if (channel_.state() == tls::ChannelState::failed) co_return failure();
    if (channel_.state() == tls::ChannelState::peer_closed) co_return std::string_view();
    KM_CO_CHECK(co_await receive_more(context));
    // An answer to the peer is sent now, unless a write is under way, which takes it along.
    if (!channel_.pending_output().empty() && !writers_->writing) KM_CO_CHECK(co_await flush(context));
  }
  co_return std::string_view(plaintext_).substr(consumed_);
}

Task<Result<void>> TlsStream::receive_more(Context context) {
  KM_CO_TRY(const std::string_view ciphertext, co_await below_->read(std::move(context)));
  if (ciphertext.empty()) {
    channel_.receive_end();
  } else {
    channel_.receive(ciphertext, plaintext_);
    below_->consume(ciphertext.size());
  }
  co_return Result<void>();
}

void TlsStream::consume(std::size_t octets) noexcept {
  assert(octets <= unconsumed());
  consumed_ += octets;
  if (consumed_ < plaintext_.size()) return;
  release(plaintext_);
  consumed_ = 0;
}

Task<Result<void>> TlsStream::write(std::span<const std::string_view> pieces, Context context) {
  std::array<std::string_view, 8> few;
  std::vector<std::string_view> many;
  std::span<std::string_view> left;
  if (pieces.size() <= few.size()) {
    std::ranges::copy(pieces, few.begin());
    left = std::span(few).first(pieces.size());
  } else {
    many.assign(pieces.begin(), pieces.end());
    left = many;
  }
  for (left = drop(left, 0); !left.empty();) {
    const std::size_t taken = channel_.send(left);
    if (taken == 0 && channel_.pending_output().empty()) co_return failure();
    left = drop(left, taken);
    KM_CO_CHECK(co_await flush(context));
  }
  co_return Result<void>();
}

Task<Result<void>> TlsStream::flush(Context context) {
  while (writers_->writing) {
    if (const Wake wake = co_await writers_->turn.wait(context); wake != Wake::ready)
      co_return wake_failure(wake, "tls write");
  }
  Result<void> done;
  writers_->writing = true;
  // Copied, as a read may change the channel while the write below waits.
  while (done && !channel_.pending_output().empty()) {
    outgoing_.assign(channel_.pending_output());
    channel_.consume_output(outgoing_.size());
    const std::string_view piece = outgoing_;
    done = co_await below_->write({&piece, 1}, context);
  }
  release(outgoing_);
  writers_->writing = false;
  writers_->turn.wake_later();
  co_return done;
}

Task<void> TlsStream::close(Context context) {
  channel_.close();
  (void)co_await flush(context);
  co_await below_->close(std::move(context));
}

std::unexpected<Error> TlsStream::failure() const {
  const tls::Fault fault = channel_.fault();
  std::string detail = "tls: ";
  detail += tls::to_string(fault);
  if (!channel_.fault_detail().empty()) detail.append(": ").append(channel_.fault_detail());
  return fail(fault == tls::Fault::truncated ? ErrorKind::unavailable : ErrorKind::invalid, {}, std::move(detail));
}

}  // namespace keystonemail::transport
