// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "imap/server_engine.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/try.hpp"
#include "imap/capability.hpp"
#include "imap/wire.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/base64.hpp"

namespace keystonemail::imap {

ServerEngine::ServerEngine(const ServerOptions& options, Instant now)
    : options_(options), auth_mechanisms_(options.auth_mechanisms), begun_(now), active_(now), secure_(options.secure) {
  output_ += "* OK [";
  append_capability(output_, options_, {state_, secure_, compressing_, auth_mechanisms_});
  output_ += "] ";
  append_text(output_, options_.greeting, features_);
  output_ += "\r\n";
}

void ServerEngine::receive_end(Instant now) {
  if (closed_) return;
  active_ = now;
  close(CloseReason::peer_closed);
}

std::optional<Instant> ServerEngine::deadline() const noexcept {
  if (is_open()) return std::nullopt;
  if (state_ == SessionState::not_authenticated) return begun_ + options_.preauth_time_max;
  const Instant silent = active_ + options_.inactivity_max;
  const bool in_literal = mode_ == Mode::message || mode_ == Mode::literal || mode_ == Mode::drain_literal;
  if (!in_literal || options_.literal_rate_min == 0) return silent;
  const auto earned = std::chrono::seconds((literal_octets_ - due_) / options_.literal_rate_min);
  return std::min(silent, literal_since_ + options_.literal_rate_grace + earned);
}

void ServerEngine::expire(Instant now) {
  const auto when = deadline();
  if (!when || now < *when) return;
  write_bye({}, "Autologout: too slow or idle for too long");
  close(CloseReason::timeout);
}

ServerEvent ServerEngine::next_event() {
  if (pending_) return *std::exchange(pending_, std::nullopt);
  if (message_end_due_) {
    message_end_due_ = false;
    return AppendMessageEnd{};
  }
  if (question_ != Question::none) return NeedInput{};
  if (closed_ && append_told_) {
    append_told_ = false;
    return AppendAborted{};
  }
  if (closed_ && !close_told_) {
    close_told_ = true;
    return Closed{*closed_};
  }
  return NeedInput{};
}

// tag SP command-name, "UID" with what follows it. Sets tag_, empty when there is none to answer to.
Parsed<const VerbEntry*> ServerEngine::read_verb(Cursor& cursor, NumberKind& numbers) {
  tag_.clear();
  KM_TRY(const auto tag, cursor.tag());
  KM_CHECK(cursor.space());
  tag_ = tag;
  auto name = cursor.word();
  if (iequals(name, "UID")) {
    KM_CHECK(cursor.space());
    name = cursor.word();
    numbers = NumberKind::uid;
    if (std::ranges::none_of(uid_verbs, [&](auto verb) { return iequals(verb, name); })) {
      return std::unexpected(Fault::unknown_command);
    }
  }
  const auto* entry = find_verb(name, options_);
  if (entry == nullptr) return std::unexpected(Fault::unknown_command);
  if (!is_legal(*entry, state_)) {
    const bool late = entry->verb == Verb::login || entry->verb == Verb::authenticate;
    return std::unexpected(late ? Fault::already_authenticated : Fault::wrong_state);
  }
  return entry;
}

Parsed<void> ServerEngine::run_command(std::string_view text) {
  Cursor cursor(text, features_);
  NumberKind numbers = NumberKind::sequence;
  KM_TRY(const auto* entry, read_verb(cursor, numbers));
  if (entry->parse == nullptr) return run_own(*entry, cursor);
  if (entry->verb == Verb::login && !secure_ && !options_.allow_login) return std::unexpected(Fault::privacy_required);
  KM_TRY(auto command, entry->parse(cursor, numbers));
  KM_CHECK(cursor.end());
  const bool began = note_condstore(command);
  pending_.emplace(Command{std::move(command), began});
  question_ = Question::command;
  verb_ = entry->verb;
  return {};
}

Parsed<void> ServerEngine::run_own(const VerbEntry& entry, Cursor& cursor) {
  if (entry.verb == Verb::enable) return run_enable(cursor);
  if (entry.verb == Verb::authenticate) return run_authenticate(cursor);
  if (entry.verb == Verb::append) {  // a command with its message would not end here
    KM_CHECK(parse_append_mailbox(cursor));
    KM_CHECK(parse_append_message(cursor));
    return std::unexpected(Fault::bad_literal);
  }
  KM_CHECK(cursor.end());
  if (entry.verb == Verb::starttls) return run_starttls();
  if (entry.verb == Verb::logout) {
    run_logout();
  } else if (entry.verb == Verb::capability) {
    output_ += "* ";
    append_capability(output_, options_, {state_, secure_, compressing_, auth_mechanisms_});
    output_ += "\r\n";
    write_tagged(StatusKind::ok, {}, "Capabilities listed");
  } else {
    assert(entry.verb == Verb::idle);
    output_ += "+ idling\r\n";
    pending_ = IdleStart{};
    mode_ = Mode::idle;
  }
  return {};
}

// RFC 5161 §3.2: what was newly enabled is told, even when it is nothing.
Parsed<void> ServerEngine::run_enable(Cursor& cursor) {
  KM_TRY(const auto request, parse_enable(cursor));
  output_ += "* ENABLED";
  const auto enable = [&](bool asked, bool& feature, std::string_view name) {
    if (!asked || feature) return false;
    feature = true;
    output_.append(" ").append(name);
    return true;
  };
  enable(request.imap4rev2, features_.imap4rev2, "IMAP4rev2");
  enable(request.utf8_accept, features_.utf8_accept, "UTF8=ACCEPT");
  bool began = enable(request.condstore, features_.condstore, "CONDSTORE");
  if (enable(request.qresync, features_.qresync, "QRESYNC")) began |= !std::exchange(features_.condstore, true);
  output_ += "\r\n";
  pending_.emplace(Command{Enable{}, began});
  question_ = Question::command;
  verb_ = Verb::plain;
  return {};
}

Parsed<void> ServerEngine::run_authenticate(Cursor& cursor) {
  KM_TRY(auto request, parse_authenticate(cursor));
  if (!offers_mechanism(auth_mechanisms_, request.mechanism)) {
    return std::unexpected(!secure_ && options_.starttls ? Fault::privacy_required : Fault::bad_mechanism);
  }
  pending_ = AuthStart{std::move(request.mechanism), std::move(request.initial_response)};
  question_ = Question::auth;
  verb_ = Verb::authenticate;
  return {};
}

// RFC 9051 §6.2.1: what came along with STARTTLS in the clear is dropped unread (attack A3).
Parsed<void> ServerEngine::run_starttls() {
  if (secure_ || !options_.starttls) return std::unexpected(Fault::tls_unavailable);
  write_tagged(StatusKind::ok, {}, "Begin TLS negotiation now");
  pending_ = StartTls{};
  mode_ = Mode::tls;
  return {};
}

void ServerEngine::run_logout() {
  write_bye({}, "Logging out");
  write_tagged(StatusKind::ok, {}, "Logged out");
  close(CloseReason::logout);
}

// RFC 7162 §3.1: the CONDSTORE enabling commands. Whether this is the first, and does not tell HIGHESTMODSEQ anyway.
bool ServerEngine::note_condstore(const CommandVariant& command) noexcept {
  if (features_.condstore) return false;
  if (const auto* select = std::get_if<Select>(&command)) {
    features_.condstore = select->condstore;
    return false;
  }
  const auto asks = [](const StatusItems& items) { return items.has(StatusItem::highest_modseq); };
  if (const auto* status = std::get_if<Status>(&command)) features_.condstore = asks(status->items);
  if (const auto* list = std::get_if<List>(&command)) features_.condstore = list->give.status && asks(*list->give.status);
  if (const auto* store = std::get_if<Store>(&command)) features_.condstore = store->unchanged_since.has_value();
  if (const auto* search = std::get_if<Search>(&command)) features_.condstore = search->program.has(SearchOperator::modseq);
  if (const auto* sort = std::get_if<Sort>(&command)) features_.condstore = sort->program.has(SearchOperator::modseq);
  if (const auto* thread = std::get_if<Thread>(&command)) features_.condstore = thread->program.has(SearchOperator::modseq);
  if (const auto* fetch = std::get_if<Fetch>(&command)) {
    features_.condstore = fetch->changed_since || std::ranges::find(fetch->items, FetchAttribute::modseq,
                                                                    &FetchItem::attribute) != fetch->items.end();
  }
  return features_.condstore;
}

void ServerEngine::finish_auth_line(std::string_view line) {
  mode_ = Mode::command;
  if (line == "*") {
    pending_ = AuthCancelled{};
    return write_fault(Fault::authentication_cancelled);
  }
  auto data = codec::decode_base64(line);
  if (!data) {
    pending_ = AuthCancelled{};
    return write_fault(Fault::bad_base64);
  }
  pending_ = AuthResponse{*std::move(data)};
  question_ = Question::auth;
}

void ServerEngine::finish_idle_line(std::string_view line) {
  mode_ = Mode::command;
  if (!iequals(line, "DONE")) idle_fault_ = Fault::expected_done;
  pending_ = IdleDone{};
  question_ = Question::idle;
}

void ServerEngine::challenge(std::string_view data, Instant now) {
  assert(question_ == Question::auth && !pending_);
  active_ = now;
  question_ = Question::none;
  mode_ = Mode::auth;
  output_ += "+ ";
  codec::append_base64(output_, data);
  output_ += "\r\n";
}

void ServerEngine::complete(StatusKind kind, const ResponseCode& code, std::string_view text, Instant now) {
  assert(question_ != Question::none && !pending_ && !responses_.in_fetch());
  active_ = now;
  const auto question = std::exchange(question_, Question::none);
  const bool was_auth = question == Question::auth || (question == Question::command && verb_ == Verb::login);
  if (was_auth && kind == StatusKind::ok) authenticated_now(now);
  // A client that makes sense again is forgiven: sessions last for days. Before login nothing is (attack B1).
  if (kind == StatusKind::ok && !idle_fault_ && state_ != SessionState::not_authenticated) errors_ = 0;
  if (question == Question::command && kind == StatusKind::ok && verb_ == Verb::unselect) unselect();
  if (question == Question::command && verb_ == Verb::select) {
    state_ = kind == StatusKind::ok ? SessionState::selected : SessionState::authenticated;
  }
  if (question == Question::idle && idle_fault_) {
    write_fault(*std::exchange(idle_fault_, std::nullopt));
  } else if (was_auth && kind == StatusKind::ok && code.text().empty()) {
    std::string capability;
    append_capability(capability, options_, {state_, secure_, compressing_, auth_mechanisms_});
    write_tagged(kind, capability, text);
  } else {
    write_tagged(kind, code.text(), text);
  }
  if (question == Question::append_begin) {
    append_told_ = false;
    assert(kind != StatusKind::ok);
    refuse_literal(append_mark_);
  }
  if (was_auth && kind != StatusKind::ok && ++auth_failures_ >= options_.auth_failures_max && !closed_) {
    write_bye({}, "Too many failed logins");
    close(CloseReason::too_many_auth_failures);
  }
}

void ServerEngine::authenticated_now(Instant now) {
  state_ = SessionState::authenticated;
  errors_ = 0;
  active_ = now;
}

void ServerEngine::unselect() noexcept {
  if (state_ == SessionState::selected) state_ = SessionState::authenticated;
}

void ServerEngine::tls_established(std::string_view auth_mechanisms, Instant now) {
  if (closed_) return;
  assert(mode_ == Mode::tls && !secure_ && !pending_);
  secure_ = true;
  auth_mechanisms_ = auth_mechanisms;
  mode_ = Mode::command;
  active_ = now;
  release_buffer();
}

void ServerEngine::end(const ResponseCode& code, std::string_view text) {
  if (closed_) return;
  write_bye(code.text(), text);
  close(CloseReason::ended);
}

void ServerEngine::close(CloseReason reason) {
  assert(!closed_);
  closed_ = reason;
  if (reason != CloseReason::peer_closed) state_ = SessionState::logout;
}

void ServerEngine::write_tagged(StatusKind kind, std::string_view code, std::string_view text) {
  if (closed_ && *closed_ != CloseReason::peer_closed) return;
  output_.append(tag_.empty() ? std::string_view("*") : std::string_view(tag_));
  output_ += kind == StatusKind::ok ? " OK " : kind == StatusKind::no ? " NO " : " BAD ";
  if (!code.empty()) output_.append("[").append(code).append("] ");
  append_text(output_, text.empty() ? std::string_view("Done") : text, features_);
  output_ += "\r\n";
  if (kind != StatusKind::bad || closed_) return;
  const bool early = state_ == SessionState::not_authenticated;
  if (++errors_ < (early ? limits::errors_max_preauth : limits::errors_max)) return;
  write_bye({}, "Too many errors");
  close(CloseReason::too_many_errors);
}

void ServerEngine::write_fault(Fault fault) {
  const auto reply = reply_for(fault);
  write_tagged(reply.kind, reply.code, reply.text);
}

void ServerEngine::write_bye(std::string_view code, std::string_view text) {
  if (responses_.in_fetch()) return;  // in the middle of a response no other can stand
  output_ += "* BYE ";
  if (!code.empty()) output_.append("[").append(code).append("] ");
  append_text(output_, text, features_);
  output_ += "\r\n";
}

void ServerEngine::consume_output(std::size_t octets) {
  assert(octets <= responses_.octets_pending());
  auto& consumed = responses_.consumed_;
  consumed += octets;
  if (consumed == output_.size()) {
    // A session at rest holds no buffer; one that is writing keeps it.
    if (question_ == Question::none && output_.capacity() > 256) std::string().swap(output_);
    output_.clear();
    consumed = 0;
  } else if (consumed > output_.size() / 2) {
    output_.erase(0, consumed);
    consumed = 0;
  }
}

std::size_t ServerEngine::memory_octets() const noexcept {
  return sizeof *this + output_.capacity() + buffer_.capacity() + tag_.capacity() + auth_mechanisms_.capacity();
}

}  // namespace keystonemail::imap
