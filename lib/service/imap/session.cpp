// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/imap/session.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "keystonemail/transport/deflate_stream.hpp"
#include "keystonemail/transport/tls_stream.hpp"
#include "service/imap/command/commands.hpp"
#include "service/imap/idle.hpp"

namespace keystonemail::service::imap {

namespace {

constexpr std::size_t pipelined_at_once = 64;
constexpr auto closing_time = std::chrono::seconds(5);
constexpr std::size_t slice_octets = Session::output_octets;  // as Options::write_timeout says

// RFC 9051 §7.5.1: while these are answered no sequence number may move.
Expunges expunges_during(const engine::CommandVariant& command) noexcept {
  const auto by_sequence = [&]<class T>(const T* found) {
    return found != nullptr && found->numbers == engine::NumberKind::sequence;
  };
  const bool hold = by_sequence(std::get_if<engine::Fetch>(&command)) || by_sequence(std::get_if<engine::Store>(&command)) ||
                    by_sequence(std::get_if<engine::Search>(&command)) || by_sequence(std::get_if<engine::Sort>(&command)) ||
                    by_sequence(std::get_if<engine::Thread>(&command));
  // RFC 7162 §3.2.10.2: nor during a UID SEARCH with message numbers among its criteria.
  const auto names_numbers = []<class T>(const T* found) {
    return found != nullptr && found->program.has(engine::SearchOperator::sequence);
  };
  const bool numbers = names_numbers(std::get_if<engine::Search>(&command)) || names_numbers(std::get_if<engine::Sort>(&command)) ||
                       names_numbers(std::get_if<engine::Thread>(&command));
  return hold || numbers ? Expunges::hold_back : Expunges::show;
}

}  // namespace

Session::Session(const Service& service, engine::ServerOptions engine_options,
                 std::unique_ptr<transport::ByteStream> stream, ChannelFacts channel, std::string id, Context context)
    : service_(service),
      services_(service.services()),
      engine_options_(std::move(engine_options)),
      stream_(std::move(stream)),
      context_(std::move(context)),
      engine_(engine_options_, context_.executor->now()),
      id_(std::move(id)),
      channel_(std::move(channel)) {}

Session::~Session() = default;

Task<void> Session::run() {
  std::string_view input;
  for (std::size_t pipelined = 0;;) {
    const std::size_t taken = engine_.receive(input, now());
    const Next next = co_await take_events();
    octets_in_ += taken;
    if (stream_) stream_->consume(taken);
    if (lost_) break;
    if (next == Next::finish) {
      if (co_await flush()) co_await stream_->close(working().until(now() + closing_time));
      break;
    }
    if (next == Next::upgrade) {
      if (!co_await flush() || !co_await upgrade()) break;
    }
    if (next == Next::compress) {
      if (!co_await flush()) break;
      stream_ = std::make_unique<transport::DeflateStream>(std::move(stream_));
      engine_.compression_started();
    }
    // Pipelined commands are answered together: one write when no more of them is at hand.
    const bool more = stream_->unconsumed() != 0;
    if ((!more || taken == 0 || output_full()) && !co_await flush()) break;
    if (more && ++pipelined % pipelined_at_once == 0) co_await yield(*context_.executor);  // a flood of them is not alone here
    const auto got = co_await read();
    input = got ? *got : std::string_view();
    if (!got || got->empty()) end_of_input(got);
  }
  log_logout();
}

void Session::end_of_input(const Result<std::string_view>& got) {
  if (!got && got.error().kind() == ErrorKind::timeout) {
    engine_.expire(now());
  } else if (login_.has_ended()) {
    end_revoked();
  } else if (!got && got.error().kind() == ErrorKind::cancelled) {
    engine_.end(engine::Code::unavailable, "Server is shutting down, try again shortly");
  } else {
    engine_.receive_end(now());
  }
}

// Until something comes, the server stops or the login ends.
Task<Result<std::string_view>> Session::read() {
  std::stop_source enough;
  const std::stop_callback on_stop(context_.stop, [enough]() mutable { enough.request_stop(); });
  const std::stop_callback on_end(login_.token(), [enough]() mutable { enough.request_stop(); });
  Context wait = context_.with_stop(enough.get_token());
  if (const auto deadline = engine_.deadline()) wait.deadline = *deadline;
  if (idle_ && stream_->unconsumed() == 0) co_return co_await read_in_idle(std::move(wait));
  co_return co_await stream_->read(std::move(wait));
}

void Session::end_revoked() {
  services_.log.event(LogLevel::info, "imap.login.revoked", {{"session", id_}, {"login", account_->login}});
  engine_.end(engine::Code::expired, "What you logged in with is no longer valid");
}

Task<Session::Next> Session::take_events() {
  for (;;) {
    auto event = engine_.next_event();
    if (std::holds_alternative<engine::NeedInput>(event)) co_return Next::proceed;
    if (const auto* closed = std::get_if<engine::Closed>(&event)) {
      close_reason_ = closed->reason;
      co_return Next::finish;
    }
    if (std::holds_alternative<engine::StartTls>(event)) co_return Next::upgrade;
    if (auto* command = std::get_if<engine::Command>(&event)) {
      const bool compressing = compressing_;
      co_await on(std::move(*command));
      if (compressing_ && !compressing && !lost_) co_return Next::compress;
    } else if (auto* chunk = std::get_if<engine::AppendChunk>(&event)) {
      co_await on(*chunk);
    } else if (auto* begin = std::get_if<engine::AppendBegin>(&event)) {
      co_await on(std::move(*begin));
    } else if (std::holds_alternative<engine::AppendMessageEnd>(event)) {
      co_await on(engine::AppendMessageEnd{});
    } else if (std::holds_alternative<engine::AppendEnd>(event)) {
      co_await on(engine::AppendEnd{});
    } else if (std::holds_alternative<engine::AppendAborted>(event)) {
      append_.reset();
    } else if (auto* start = std::get_if<engine::AuthStart>(&event)) {
      co_await on(std::move(*start));
    } else if (auto* response = std::get_if<engine::AuthResponse>(&event)) {
      co_await on(std::move(*response));
    } else if (std::holds_alternative<engine::AuthCancelled>(event)) {
      authenticator_.reset();
    } else if (std::holds_alternative<engine::IdleStart>(event)) {
      begin_idle();
    } else if (std::holds_alternative<engine::IdleDone>(event)) {
      idle_.reset();
      co_await finish(ok("IDLE completed"), Expunges::show);
    }
    if (lost_) co_return Next::finish;
    if (output_full() && !co_await flush()) co_return Next::finish;
  }
}

Task<void> Session::on(engine::Command event) {
  ++commands_;
  if (login_.has_ended()) {
    engine_.complete(engine::StatusKind::no, engine::Code::expired, "Not logged in any more", now());
    end_revoked();
    co_return;
  }
  next_word_ = now() + service_.options().word_interval;
  const Expunges expunges = expunges_during(event.command);
  Reply reply = co_await std::visit(
      [this](auto& command) { return execute(*this, std::move(command)); }, event.command);
  if (event.condstore_began && view_ && !lost_) {
    out().status(engine::StatusKind::ok, engine::ResponseCode::highest_modseq(view_->told()), "Highest");
  }
  if (!lost_) co_await finish(std::move(reply), expunges);
}

// Brings the client up to date and completes the command.
Task<void> Session::finish(Reply reply, Expunges expunges) {
  const bool there = !view_ || reply.leaves_mailbox || co_await tell_changes(expunges);
  if (lost_) co_return;
  if (view_ && !reply.leaves_mailbox && features().qresync) add_highest_modseq(reply);
  if (reply.leaves_mailbox) view_.reset();
  engine_.complete(reply.kind, reply.code, reply.text, now());
  if (!there) engine_.end(engine::Code::nonexistent, "The selected mailbox has been deleted");
}

// RFC 7162 §3.2.7, and §3.2: while expunges are held back, a client that takes the flags it is told for all there is would
// miss them after a lost connection. It is told how far it can rely on, and again once they have been told.
void Session::add_highest_modseq(Reply& reply) {
  MailboxView& view = *view_;
  const bool behind = view.expunges_told < view.changes_told;
  if (!reply.with_highest_modseq && !behind && !view.behind) return;
  view.behind = behind;
  const auto code = engine::ResponseCode::highest_modseq(view.told());
  if (reply.kind == engine::StatusKind::ok && reply.code.text().empty()) reply.code = code;
  else out().status(engine::StatusKind::ok, code, behind ? "Expunges are held back" : "Highest");
}

Pause Session::pausing() {
  return [this] { return pause(); };
}

Task<Result<void>> Session::pause() {
  co_await yield(*context_.executor);
  if (context_.stop.stop_requested() || login_.has_ended()) co_return fail(ErrorKind::cancelled);
  if (now() < next_word_) co_return Result<void>();
  next_word_ = now() + service_.options().word_interval;
  out().status(engine::StatusKind::ok, {}, "Still at it");
  const bool there = co_await flush();  // not within the if: lib/docs/decisions/coroutine-aggregates.md
  if (!there) co_return fail(ErrorKind::cancelled);
  co_return Result<void>();
}

Task<bool> Session::flush() {
  while (!lost_) {
    const std::string_view output = engine_.pending_output();
    if (output.empty()) co_return true;
    if (!co_await write({&output, 1})) break;
    engine_.consume_output(output.size());
  }
  co_return false;
}

Task<bool> Session::flush_with(std::string_view piece) {
  if (lost_) co_return false;
  const std::array<std::string_view, 2> pieces{engine_.pending_output(), piece};
  if (!co_await write(pieces)) co_return false;
  engine_.consume_output(pieces[0].size());
  out().skip(piece.size());
  co_return true;
}

// In one write, with the time that each 64 KiB of it may take: who reads slowly is not cut off in the middle of something large.
Task<bool> Session::write(std::span<const std::string_view> pieces) {
  std::size_t octets = 0;
  for (const std::string_view piece : pieces) octets += piece.size();
  const auto time = service_.options().write_timeout * std::max<std::size_t>(1, octets / slice_octets);
  if (!co_await stream_->write(pieces, working().until(now() + time))) {
    lost_ = true;
    co_return false;
  }
  octets_out_ += octets;
  co_return true;
}

Task<bool> Session::upgrade() {
  const auto tls = services_.tls ? services_.tls() : nullptr;
  if (!tls) co_return false;
  auto secured = co_await transport::TlsStream::accept(std::move(stream_), tls, transport::TlsStart::upgrade,
                                                       context_.until(now() + handshake_time));
  if (!secured) {
    log_error("imap.tls.failed", secured.error());
    lost_ = true;
    co_return false;
  }
  channel_ = channel_facts((*secured)->channel());
  stream_ = *std::move(secured);
  engine_.tls_established(
      mechanism_names(services_.logins, connection_facts(service_, stream_->peer().address, true, channel_)), now());
  co_return true;
}

void Session::log_error(std::string_view event, const Error& error) {
  services_.log.event(LogLevel::warning, event,
                      {{"session", id_}, {"login", account_ ? account_->login : std::string()}, {"error", error.describe()}});
}

void Session::log_logout() {
  services_.log.event(LogLevel::info, "imap.logout",
                      {{"session", id_},
                       {"peer", stream_ ? stream_->peer().to_string() : std::string()},
                       {"login", account_ ? account_->login : std::string()},
                       {"reason", lost_ ? std::string_view("connection lost") : to_string(close_reason_)},
                       {"commands", commands_},
                       {"octets_in", octets_in_},
                       {"octets_out", octets_out_}});
}

std::string_view to_string(engine::CloseReason reason) noexcept {
  switch (reason) {
    case engine::CloseReason::logout: return "logout";
    case engine::CloseReason::peer_closed: return "peer closed";
    case engine::CloseReason::timeout: return "timeout";
    case engine::CloseReason::too_many_errors: return "too many errors";
    case engine::CloseReason::too_many_auth_failures: return "too many failed logins";
    case engine::CloseReason::ended: return "ended by server";
  }
  return "?";
}

}  // namespace keystonemail::service::imap
