// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
#include "keystonemail/tls/channel.hpp"

#include <openssl/err.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <new>

#include "keystonemail/base/ip_address.hpp"
#include "tls/state.hpp"

namespace keystonemail::tls {
namespace {

constexpr std::size_t record_octets_max = 16 * 1024;  // RFC 8446 §5.1
constexpr std::size_t record_overhead_octets = 64;    // header, tag, padding byte and to spare

Fault fault_of(std::uint32_t code, bool handshaking) noexcept {
  if (ERR_GET_LIB(code) != ERR_LIB_SSL) return Fault::protocol;
  switch (ERR_GET_REASON(code)) {
    case SSL_R_HTTP_REQUEST:
    case SSL_R_HTTPS_PROXY_REQUEST: return Fault::not_tls;
    case SSL_R_WRONG_VERSION_NUMBER: return handshaking ? Fault::not_tls : Fault::protocol;
    case SSL_R_UNSUPPORTED_PROTOCOL: return Fault::version;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SHARED_GROUP:
    case SSL_R_NO_COMMON_SIGNATURE_ALGORITHMS: return Fault::negotiation;
    case SSL_R_NO_APPLICATION_PROTOCOL:
    case SSL_R_INVALID_ALPN_PROTOCOL: return Fault::application_protocol;
    case SSL_R_CERTIFICATE_VERIFY_FAILED: return Fault::certificate;
    case SSL_R_NO_RENEGOTIATION: return Fault::renegotiation;
    default: return Fault::protocol;
  }
}

}  // namespace

void Channel::State::attach(SSL_CTX* context, const BIO_METHOD* method) {
  ssl.reset(SSL_new(context));
  if (!ssl) throw std::bad_alloc();
  auto bio = make_bio(method, this);
  BIO* raw = bio.release();
  SSL_set_bio(ssl.get(), raw, raw);
  SSL_set_app_data(ssl.get(), this);
  SSL_set_shed_handshake_config(ssl.get(), 1);
}

void Channel::State::fail_with(Fault what, std::string why) {
  phase = ChannelState::failed;
  fault = what;
  if (detail.empty()) detail = std::move(why);
}

bool Channel::State::wants_input(int result) {
  const int error = SSL_get_error(ssl.get(), result);
  if (error == SSL_ERROR_WANT_READ) return true;
  if (error == SSL_ERROR_ZERO_RETURN) {
    if (phase == ChannelState::handshaking) {
      fail_with(Fault::truncated, "closed during the handshake");
      return false;
    }
    phase = ChannelState::peer_closed;
    return false;
  }
  const std::uint32_t code = ERR_peek_error();
  const int reason = ERR_GET_REASON(code);
  if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET) {
    alert = static_cast<std::uint8_t>(reason - SSL_AD_REASON_OFFSET);
    fail_with(Fault::peer_alert, take_error_text());
  } else if (code == 0) {
    fail_with(Fault::internal, "no reason given");
  } else {
    const auto what = fault_of(code, phase == ChannelState::handshaking);
    fail_with(what, take_error_text());
  }
  return false;
}

void Channel::State::finish_handshake() {
  phase = ChannelState::open;
  const STACK_OF(CRYPTO_BUFFER)* chain = SSL_get0_peer_certificates(ssl.get());
  const bool has_certificate = chain && sk_CRYPTO_BUFFER_num(chain) != 0;
  const bool checks = client ? verification != Verification::none : server->state().requests_certificate;
  if (!checks) {
    trust = Trust::unchecked;
  } else {
    // Of a resumed session, what was found when it began.
    trust = has_certificate ? trust_of(SSL_get_verify_result(ssl.get())) : Trust::no_certificate;
  }
}

bool Channel::State::shake_hands() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl.get());
  if (result == 1) {
    finish_handshake();
    return true;
  }
  (void)wants_input(result);
  return false;
}

void Channel::State::read_records(std::string& plaintext) {
  while (phase == ChannelState::open) {
    ERR_clear_error();
    // A peek of nothing opens the next record; how much it holds is then known.
    const int peeked = SSL_peek(ssl.get(), nullptr, 0);
    const auto size = static_cast<std::size_t>(std::max(SSL_pending(ssl.get()), 0));
    if (size == 0) {
      if (!wants_input(peeked)) return;
      assert(input.empty());
      return;
    }
    const auto before = plaintext.size();
    plaintext.resize_and_overwrite(before + size, [&](char* data, std::size_t) {
      const int count = SSL_read(ssl.get(), data + before, static_cast<int>(size));
      return before + static_cast<std::size_t>(std::max(count, 0));
    });
    assert(plaintext.size() == before + size);
  }
}

void Channel::State::take_input(std::string& plaintext) {
  if (phase == ChannelState::handshaking && !shake_hands()) return;
  read_records(plaintext);
}

bool Channel::State::write_record(std::string_view plaintext) {
  assert(!plaintext.empty());
  ERR_clear_error();
  const int count = SSL_write(ssl.get(), plaintext.data(), static_cast<int>(plaintext.size()));
  if (count == static_cast<int>(plaintext.size())) return true;
  (void)wants_input(count);
  if (phase != ChannelState::failed) fail_with(Fault::internal, "a record was not written");
  return false;
}

Channel::Channel(std::unique_ptr<State> state) noexcept : state_(std::move(state)) {}
Channel::Channel(Channel&&) noexcept = default;
Channel& Channel::operator=(Channel&&) noexcept = default;
Channel::~Channel() = default;

Channel Channel::server(std::shared_ptr<const ServerContext> context, WallTime now) {
  auto state = std::make_unique<State>();
  auto& shared = context->state();
  shared.tickets->rotate(now);
  state->now = now;
  state->server = std::move(context);
  state->attach(shared.entries.front().context.get(), shared.bio_method.get());
  SSL_set_accept_state(state->ssl.get());
  return Channel(std::move(state));
}

Channel Channel::client(std::shared_ptr<const ClientContext> context, const ClientRequest& request, WallTime now) {
  auto state = std::make_unique<State>();
  auto& shared = context->state();
  state->now = now;
  state->client = std::move(context);
  state->server_name = request.server_name;
  state->verification = request.verification;
  state->attach(shared.context.get(), shared.bio_method.get());
  SSL* ssl = state->ssl.get();
  SSL_set_connect_state(ssl);
  // RFC 6066 §3: literal addresses are not permitted. A name that cannot be sent is checked all the same.
  if (!request.server_name.empty() && !IpAddress::parse(request.server_name)) {
    (void)SSL_set_tlsext_host_name(ssl, request.server_name.c_str());
  }
  if (request.session) {
    const auto& offered = request.session->state();
    const bool fits = offered.context == state->client.get() && offered.server_name == request.server_name &&
                      offered.verification == request.verification;
    if (fits) SSL_set_session(ssl, offered.session.get());
  }
  std::string nothing;
  state->take_input(nothing);  // the ClientHello
  return Channel(std::move(state));
}

void Channel::receive(std::string_view ciphertext, std::string& plaintext) {
  auto& state = *state_;
  if (state.phase != ChannelState::handshaking && state.phase != ChannelState::open) return;
  if (ciphertext.empty()) return;
  state.input = ciphertext;
  state.take_input(plaintext);
  state.input = {};
}

void Channel::receive_end() {
  auto& state = *state_;
  if (state.phase == ChannelState::handshaking || state.phase == ChannelState::open) {
    state.fail_with(Fault::truncated, "the connection ended without close_notify");
  }
}

ChannelState Channel::state() const noexcept { return state_->phase; }
Fault Channel::fault() const noexcept { return state_->fault; }
std::optional<std::uint8_t> Channel::alert() const noexcept { return state_->alert; }
const std::string& Channel::fault_detail() const noexcept { return state_->detail; }

std::size_t Channel::send(std::span<const std::string_view> pieces) {
  auto& state = *state_;
  if (state.closing || (state.phase != ChannelState::open && state.phase != ChannelState::peer_closed)) return 0;
  std::size_t total = 0;
  std::size_t index = 0;
  std::size_t offset = 0;
  while (index < pieces.size() && pending_output().size() < limits::pending_output_octets_max) {
    const auto piece = pieces[index].substr(offset);
    const bool is_last = index + 1 == pieces.size();
    if (piece.size() >= record_octets_max || (is_last && !piece.empty())) {
      const auto part = piece.substr(0, record_octets_max);
      state.output.reserve(state.output.size() + std::min(piece.size(), limits::pending_output_octets_max) + 4 * record_overhead_octets);
      if (!state.write_record(part)) return total;
      total += part.size();
      offset += part.size();
    } else {
      std::array<char, record_octets_max> gathered;
      std::size_t held = 0;
      while (index < pieces.size() && held < gathered.size()) {
        const auto part = pieces[index].substr(offset, gathered.size() - held);
        std::copy(part.begin(), part.end(), gathered.begin() + static_cast<std::ptrdiff_t>(held));
        held += part.size();
        offset += part.size();
        if (offset == pieces[index].size()) ++index, offset = 0;
      }
      if (held != 0 && !state.write_record({gathered.data(), held})) return total;
      total += held;
      continue;
    }
    if (offset == pieces[index].size()) ++index, offset = 0;
  }
  return total;
}

void Channel::close() {
  auto& state = *state_;
  if (std::exchange(state.closing, true)) return;
  if (state.phase != ChannelState::open && state.phase != ChannelState::peer_closed) return;
  (void)SSL_shutdown(state.ssl.get());
  ERR_clear_error();
}

std::string_view Channel::pending_output() const noexcept { return std::string_view(state_->output).substr(state_->written); }

void Channel::consume_output(std::size_t octets) noexcept {
  auto& state = *state_;
  assert(octets <= state.output.size() - state.written);
  state.written += octets;
  if (state.written != state.output.size()) return;
  std::string().swap(state.output);  // an idle channel holds no buffer
  state.written = 0;
}

}  // namespace keystonemail::tls
