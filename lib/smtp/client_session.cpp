// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/smtp/client_session.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/base64.hpp"
#include "keystonemail/smtp/limits.hpp"
#include "smtp/message_cleaner.hpp"
#include "smtp/xtext.hpp"

namespace keystonemail::smtp {
namespace {

// A class.subject.detail and a space at the start of `text`, taken off it (RFC 2034 §4).
EnhancedStatus take_status(std::string_view& text, char category) {
  const std::string_view word = text.substr(0, text.find(' '));
  const std::size_t first = word.find('.');
  const std::size_t second = first == std::string_view::npos ? first : word.find('.', first + 1);
  if (second == std::string_view::npos || first != 1 || word[0] != category) return {};
  const auto subject = parse_decimal(word.substr(first + 1, second - first - 1), 999);
  const auto detail = parse_decimal(word.substr(second + 1), 999);
  if (!subject || !detail) return {};
  text.remove_prefix(std::min(word.size() + 1, text.size()));
  return {static_cast<std::uint8_t>(category - '0'), static_cast<std::uint16_t>(*subject),
          static_cast<std::uint16_t>(*detail)};
}

// What a peer says may end up in a bounce or a log: no control characters (attack A10).
void append_printable(std::string& out, std::string_view text) {
  for (const char c : text) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
}

std::string notify_words(const DsnNotify& notify) {
  if (notify.never) return "NEVER";
  std::string words;
  for (const auto& [set, word] : {std::pair{notify.success, "SUCCESS"}, std::pair{notify.failure, "FAILURE"},
                                  std::pair{notify.delay, "DELAY"}}) {
    if (!set) continue;
    if (!words.empty()) words += ',';
    words += word;
  }
  return words;
}

std::string mail_line(const ClientEnvelope& envelope, const Capabilities& offered) {
  std::string line = "MAIL FROM:<" + envelope.sender.to_string() + '>';
  if (offered.size && envelope.octets != 0) line += " SIZE=" + std::to_string(envelope.octets);
  if (offered.eight_bit_mime && envelope.eight_bit) line += " BODY=8BITMIME";
  if (envelope.smtputf8) line += " SMTPUTF8";
  if (envelope.require_tls) line += " REQUIRETLS";
  if (offered.dsn && envelope.dsn_return == DsnReturn::full) line += " RET=FULL";
  if (offered.dsn && envelope.dsn_return == DsnReturn::headers) line += " RET=HDRS";
  if (offered.dsn && !envelope.envelope_id.empty()) line += " ENVID=" + encode_xtext(envelope.envelope_id);
  if (offered.deliver_by && envelope.deliver_by) {  // RFC 2852 §4.1.4
    const auto& by = *envelope.deliver_by;
    const auto seconds = std::clamp<std::int64_t>(by.within.count(), -999'999'999, 999'999'999);
    line += " BY=" + std::to_string(seconds) + (by.mode == DeliverByMode::return_to_sender ? ";R" : ";N") + (by.trace ? "T" : "");
  }
  if (offered.mt_priority && envelope.priority != 0) line += " MT-PRIORITY=" + std::to_string(envelope.priority);
  return line;
}

// RFC 6533 §3: the xtext of an address of type utf-8 has code points where others have octets.
std::string encode_original(const RcptParameters& parameters) {
  if (!iequals(parameters.original_recipient_type, "utf-8")) return encode_xtext(parameters.original_recipient);
  return encode_utf8_address(parameters.original_recipient);
}

std::string rcpt_line(const ClientRecipient& recipient, const Capabilities& offered) {
  std::string line = "RCPT TO:<" + recipient.path.to_string() + '>';
  if (!offered.dsn) return line;
  if (recipient.parameters.notify.given()) line += " NOTIFY=" + notify_words(recipient.parameters.notify);
  if (!recipient.parameters.original_recipient.empty()) {
    line += " ORCPT=" + recipient.parameters.original_recipient_type + ';' + encode_original(recipient.parameters);
  }
  return line;
}

// RFC 5321 §4.5.3.1.10: it was 552 once, where it is 452 now. One that speaks of something else says so.
bool too_many_recipients(const Reply& reply) {
  return reply.code == 552 && (!reply.status.given() || reply.status == EnhancedStatus{5, 5, 3});
}

bool needs_utf8(const ClientEnvelope& envelope) {
  return envelope.smtputf8 || !envelope.sender.is_ascii() ||
         std::ranges::any_of(envelope.recipients, [](const ClientRecipient& r) { return !r.path.is_ascii(); });
}

}  // namespace

const Reply& connection_lost_reply() noexcept {
  static const Reply reply{451, {4, 4, 2}, "Connection lost"};
  return reply;
}

std::string_view to_string(ServerFault fault) noexcept {
  switch (fault) {
    case ServerFault::malformed_reply: return "malformed reply";
    case ServerFault::reply_too_long: return "reply too long";
    case ServerFault::unexpected_reply: return "unexpected reply";
    case ServerFault::input_before_tls: return "input before TLS";
    case ServerFault::tls_not_offered: return "TLS not offered";
    case ServerFault::tls_refused: return "TLS refused";
    case ServerFault::hello_refused: return "EHLO refused";
    case ServerFault::timed_out: return "timed out";
  }
  __builtin_unreachable();
}

ClientSession::ClientSession(const ClientOptions& options, Instant now)
    : options_(&options), now_(now), waiting_since_(now) {
  expected_.push_back({Expect::greeting, 0, 0});
}
ClientSession::ClientSession(ClientSession&&) noexcept = default;
ClientSession::~ClientSession() = default;

void ClientSession::advance(Instant now) noexcept {
  assert(now >= now_);
  now_ = now;
}

// --- Replies ---

std::size_t ClientSession::receive(std::string_view octets, Instant now) {
  advance(now);
  if (octets.empty() || closed_ || !events_.empty()) return 0;
  if (awaiting_tls_ || (!expected_.empty() && expected_.front().sent_with > output_consumed_)) {
    fail(awaiting_tls_ ? ServerFault::input_before_tls : ServerFault::unexpected_reply);
    return octets.size();
  }
  const void* const found = std::memchr(octets.data(), '\n', octets.size());
  const std::string_view piece =
      found == nullptr ? octets : std::string_view(octets.data(), static_cast<const char*>(found) + 1);
  if (line_.size() + piece.size() > limits::reply_line_octets_max) {
    fail(ServerFault::reply_too_long);
    return octets.size();
  }
  line_ += piece;
  if (found == nullptr) return piece.size();
  const bool complete = take_line(line_);
  line_.clear();
  if (!complete) return piece.size();
  waiting_since_ = now_;  // a reply that comes line by line has no more time than one in one piece
  take_reply();
  return piece.size();
}

// RFC 5321 §4.2: Reply-code ( SP / "-" ) textstring CRLF. LENIENT: LF alone ends a line, and the text may be absent.
bool ClientSession::take_line(std::string_view line) {
  line.remove_suffix(line.ends_with("\r\n") ? 2 : 1);
  const bool sound = line.size() >= 3 && line[0] >= '2' && line[0] <= '5' && is_digit(line[1]) && is_digit(line[2]) &&
                     (line.size() == 3 || line[3] == ' ' || line[3] == '-');
  if (!sound) {
    fail(ServerFault::malformed_reply);
    return false;
  }
  const auto code = static_cast<std::uint16_t>(*parse_decimal(line.substr(0, 3)));
  reply_octets_ += line.size();
  if (++reply_lines_ > limits::reply_lines_max || reply_octets_ > limits::reply_octets_max) {
    fail(ServerFault::reply_too_long);
    return false;
  }
  if (reply_lines_ == 1) reply_ = Reply{code, {}, {}};
  if (code != reply_.code) {
    fail(ServerFault::malformed_reply);
    return false;
  }
  std::string_view text = line.substr(std::min<std::size_t>(4, line.size()));
  if (const EnhancedStatus status = take_status(text, line[0]); status.given()) reply_.status = status;
  if (reply_lines_ > 1) reply_.text += '\n';
  append_printable(reply_.text, text);
  if (line.size() > 3 && line[3] == '-') return false;
  reply_lines_ = 0;
  reply_octets_ = 0;
  return true;
}

void ClientSession::take_reply() {
  const Reply reply = std::exchange(reply_, {});
  // RFC 5321 §3.8: 421 may answer anything, and come by itself.
  if (reply.code == 421 && (expected_.empty() || expected_.front().what != Expect::quit)) {
    return close({ClientCloseReason::refused, std::nullopt, reply});
  }
  if (expected_.empty()) {
    // Nothing was asked. A refusal in the middle of a message is one all the same; anything good is not to be believed.
    if (body_open_ && !reply.positive()) mail_refused_ = reply;
    return fail(ServerFault::unexpected_reply);
  }
  const Expected expected = expected_.front();
  expected_.pop_front();
  // A 3yz asks for more (RFC 5321 §4.2.1), and only these two commands have more to give. Anywhere else it must not pass
  // for success, nor may success where there is more to give: the message has not been sent yet.
  const bool asks = reply.code / 100 == 3;
  const bool may_ask = expected.what == Expect::auth || expected.what == Expect::data;
  const bool early = expected.what == Expect::data && reply.code / 100 == 2;
  if ((asks && !may_ask) || early) return fail(ServerFault::unexpected_reply);
  switch (expected.what) {
    case Expect::greeting: return on_greeting(reply);
    case Expect::ehlo:
    case Expect::helo: return on_hello(expected.what, reply);
    case Expect::starttls: return on_starttls(reply);
    case Expect::auth: return on_auth(reply);
    case Expect::mail:
    case Expect::rcpt: return on_envelope(expected, reply);
    case Expect::data: return on_data(reply);
    case Expect::chunk:
      if (!reply.positive() && !mail_refused_) mail_refused_ = reply;
      return;
    case Expect::end_of_message: return on_end_of_message(expected, reply);
    case Expect::rset: return;
    case Expect::quit: return close({ClientCloseReason::quit, std::nullopt, reply});
  }
}

void ClientSession::on_greeting(const Reply& reply) {
  if (reply.code != 220) return close({ClientCloseReason::refused, std::nullopt, reply});
  say_hello();
}

void ClientSession::say_hello() {
  capabilities_ = {};
  const std::string_view verb = options_->protocol == Protocol::lmtp ? "LHLO " : "EHLO ";
  command(Expect::ehlo, std::string(verb) + options_->hostname);
}

// RFC 5321 §3.2: a server that knows no EHLO may know HELO. It knows no TLS then.
void ClientSession::on_hello(Expect what, const Reply& reply) {
  const bool may_fall_back = what == Expect::ehlo && reply.code >= 500 && options_->protocol != Protocol::lmtp;
  if (reply.code == 250) {
    if (what == Expect::ehlo) read_capabilities(reply.text);
  } else if (may_fall_back) {
    return command(Expect::helo, "HELO " + options_->hostname);
  } else {
    return close({ClientCloseReason::refused, ServerFault::hello_refused, reply});
  }
  if (secure_ || tls_tried_ || options_->starttls == TlsPolicy::never) return be_ready();
  if (capabilities_.starttls) return command(Expect::starttls, "STARTTLS");
  if (options_->starttls == TlsPolicy::required) return fail(ServerFault::tls_not_offered);
  be_ready();
}

void ClientSession::on_starttls(const Reply& reply) {
  tls_tried_ = true;
  if (reply.code == 220) {
    awaiting_tls_ = true;
    events_.emplace_back(ClientStartTls{});
  } else if (options_->starttls == TlsPolicy::required) {
    fail(ServerFault::tls_refused);
  } else {
    be_ready();
  }
}

void ClientSession::tls_established(Instant now) {
  advance(now);
  if (closed_) return;
  secure_ = true;
  waiting_since_ = now;
  if (!std::exchange(awaiting_tls_, false)) return;  // implicit: the greeting comes
  line_.clear();
  say_hello();
}

void ClientSession::read_capabilities(std::string_view text) {
  capabilities_.extended = true;
  std::size_t end = text.find('\n');
  while (end != std::string_view::npos) {
    text.remove_prefix(end + 1);
    end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    const std::string_view keyword = line.substr(0, line.find(' '));
    const std::string_view value = trim(line.substr(keyword.size()));
    if (iequals(keyword, "PIPELINING")) capabilities_.pipelining = true;
    if (iequals(keyword, "8BITMIME")) capabilities_.eight_bit_mime = true;
    if (iequals(keyword, "SMTPUTF8")) capabilities_.smtputf8 = true;
    if (iequals(keyword, "CHUNKING")) capabilities_.chunking = true;
    if (iequals(keyword, "DSN")) capabilities_.dsn = true;
    if (iequals(keyword, "STARTTLS")) capabilities_.starttls = true;
    if (iequals(keyword, "REQUIRETLS")) capabilities_.require_tls = true;
    if (iequals(keyword, "MT-PRIORITY")) capabilities_.mt_priority = true;
    if (iequals(keyword, "DELIVERBY")) capabilities_.deliver_by = parse_decimal(value).value_or(0);
    if (iequals(keyword, "ENHANCEDSTATUSCODES")) capabilities_.enhanced_status_codes = true;
    if (iequals(keyword, "SIZE")) capabilities_.size = parse_decimal(value).value_or(0);
    if (iequals(keyword, "AUTH")) {
      for (std::string_view rest = value; !rest.empty();) {
        const std::string_view word = rest.substr(0, rest.find(' '));
        capabilities_.auth_mechanisms.push_back(to_upper(word));
        rest = trim(rest.substr(word.size()));
      }
    }
  }
}

// --- Authentication (RFC 4954) ---

void ClientSession::authenticate(std::string_view mechanism, std::optional<std::string_view> initial_response,
                                 Instant now) {
  advance(now);
  if (closed_) return;
  assert(ready_);
  ready_ = false;
  std::string line = "AUTH " + std::string(mechanism);
  if (initial_response) line += ' ' + (initial_response->empty() ? "=" : codec::encode_base64(*initial_response));
  command(Expect::auth, line);
}

void ClientSession::on_auth(const Reply& reply) {
  if (reply.code == 334) {
    auto data = codec::decode_base64(trim(reply.text));
    if (!data) return fail(ServerFault::malformed_reply);
    events_.emplace_back(ClientAuthChallenge{std::move(*data)});
    return;
  }
  events_.emplace_back(ClientAuthDone{reply});
  be_ready();
}

void ClientSession::respond(std::string_view data, Instant now) {
  advance(now);
  if (!closed_) command(Expect::auth, codec::encode_base64(data));
}

void ClientSession::cancel_authentication(Instant now) {
  advance(now);
  if (!closed_) command(Expect::auth, "*");
}

// --- A message ---

void ClientSession::send(ClientEnvelope envelope, Instant now) {
  advance(now);
  if (closed_) return;
  assert(ready_);
  assert(!envelope.recipients.empty());
  ready_ = false;
  message_open_ = true;
  envelope_ = std::move(envelope);
  envelope_.smtputf8 = needs_utf8(envelope_);
  results_.assign(envelope_.recipients.size(), std::nullopt);
  mail_refused_.reset();
  rcpt_sent_ = 0;
  if (envelope_.require_tls && (!secure_ || !capabilities_.require_tls)) {
    return refuse_locally({550, {5, 7, 30}, "REQUIRETLS is asked for and not offered"});  // RFC 8689 §4.2.1
  }
  if (envelope_.smtputf8 && !capabilities_.smtputf8) return refuse_locally({550, {5, 6, 7}, "SMTPUTF8 is not offered"});
  if (envelope_.eight_bit && !capabilities_.eight_bit_mime) {
    return refuse_locally({554, {5, 6, 3}, "8BITMIME is not offered"});
  }
  if (capabilities_.size.value_or(0) != 0 && envelope_.octets > *capabilities_.size) {
    return refuse_locally({552, {5, 3, 4}, "Larger than the server takes"});
  }
  command(Expect::mail, mail_line(envelope_, capabilities_));
  if (!capabilities_.pipelining) return;
  while (rcpt_sent_ < envelope_.recipients.size()) send_next_rcpt();
}

void ClientSession::refuse_locally(const Reply& reply) {
  mail_refused_ = reply;
  finish_message(Words::ours);
}

void ClientSession::send_next_rcpt() {
  command(Expect::rcpt, rcpt_line(envelope_.recipients[rcpt_sent_], capabilities_), rcpt_sent_);
  ++rcpt_sent_;
}

void ClientSession::on_envelope(const Expected& expected, const Reply& reply) {
  if (expected.what == Expect::mail) {
    if (!reply.positive()) mail_refused_ = reply;
  } else if (!reply.positive()) {
    results_[expected.recipient] = too_many_recipients(reply) ? Reply{452, {4, 5, 3}, reply.to_string()} : reply;
  }
  if (!capabilities_.pipelining && !mail_refused_ && rcpt_sent_ < envelope_.recipients.size()) return send_next_rcpt();
  if (expected_.empty()) envelope_answered();
}

void ClientSession::envelope_answered() {
  const bool any = !mail_refused_ && std::ranges::any_of(results_, [](const auto& result) { return !result; });
  if (any) return start_body();
  if (!mail_refused_) command(Expect::rset, "RSET");
  finish_message();
}

void ClientSession::start_body() {
  chunked_ = options_->use_chunking && capabilities_.chunking;
  cleaner_ = std::make_unique<MessageCleaner>(chunked_ ? MessageCleaner::Stuffing::none : MessageCleaner::Stuffing::dots);
  if (!chunked_) return command(Expect::data, "DATA");
  body_open_ = true;
  body_wanted_ = true;
}

void ClientSession::on_data(const Reply& reply) {
  if (reply.code / 100 == 3) {
    body_open_ = true;
    body_wanted_ = true;
    return;
  }
  mail_refused_ = reply;
  command(Expect::rset, "RSET");
  finish_message();
}

void ClientSession::give_message(std::string_view octets, Instant now) {
  advance(now);
  if (closed_) return;
  assert(body_open_);
  waiting_since_ = now;
  body_wanted_ = true;
  std::string cleaned;
  std::string& out = chunked_ ? cleaned : output_;
  const std::size_t before = out.size();
  cleaner_->append(out, octets);
  if (!chunked_) {
    output_queued_ += out.size() - before;
  } else if (!cleaned.empty()) {
    command(Expect::chunk, "BDAT " + std::to_string(cleaned.size()));
    output_ += cleaned;
    output_queued_ += cleaned.size();
    expected_.back().sent_with = output_queued_;
  }
}

void ClientSession::end_message(Instant now) {
  advance(now);
  if (closed_) return;
  assert(body_open_);
  body_open_ = false;
  body_wanted_ = false;
  waiting_since_ = now;
  std::string tail;
  cleaner_->finish(tail);
  std::string line = chunked_ ? "BDAT " + std::to_string(tail.size()) + " LAST\r\n" + tail : tail + ".\r\n";
  output_ += line;
  output_queued_ += line.size();
  for (std::size_t i = 0; i < results_.size(); ++i) {
    if (results_[i]) continue;
    expected_.push_back({Expect::end_of_message, i, output_queued_});
    if (options_->protocol != Protocol::lmtp) break;
  }
}

// LMTP answers for each recipient, SMTP once for all (RFC 2033 §4.2).
void ClientSession::on_end_of_message(const Expected& expected, const Reply& reply) {
  if (options_->protocol == Protocol::lmtp) {
    results_[expected.recipient] = mail_refused_.value_or(reply);  // what was refused in part has not been taken, whatever is said of the rest
  } else {
    const Reply said = mail_refused_.value_or(reply);
    for (auto& result : results_) {
      if (!result) result = said;
    }
  }
  if (!expected_.empty()) return;
  if (chunked_ && mail_refused_) command(Expect::rset, "RSET");  // RFC 3030 §2: the state after a failed chunk is open
  finish_message();
}

void ClientSession::finish_message(Words words) {
  ClientMessageDone done;
  done.is_unsaid = words == Words::ours;
  for (auto& result : results_) done.replies.push_back(result ? std::move(*result) : mail_refused_.value_or(connection_lost_reply()));
  results_.clear();
  cleaner_.reset();
  message_open_ = false;
  body_open_ = false;
  body_wanted_ = false;
  events_.emplace_back(std::move(done));
  if (!closed_) be_ready();
}

void ClientSession::quit(Instant now) {
  advance(now);
  if (closed_) return;
  ready_ = false;
  command(Expect::quit, "QUIT");
}

// --- Output, time, events ---

void ClientSession::command(Expect what, std::string_view line, std::size_t recipient) {
  assert(line.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos);
  output_ += line;
  output_ += "\r\n";
  output_queued_ += line.size() + 2;
  expected_.push_back({what, recipient, output_queued_});
  waiting_since_ = now_;
}

void ClientSession::consume_output(std::size_t octets, Instant now) {
  advance(now);
  assert(octets <= pending_output().size());
  output_begin_ += octets;
  output_consumed_ += octets;
  waiting_since_ = now;
  if (output_begin_ < output_.size()) return;
  output_.clear();
  output_begin_ = 0;
}

void ClientSession::be_ready() {
  ready_ = true;
  events_.emplace_back(ClientReady{});
}

ClientEvent ClientSession::next_event() {
  if (!events_.empty()) {
    ClientEvent event = std::move(events_.front());
    events_.pop_front();
    return event;
  }
  if (closed_) return closing_;
  if (body_wanted_ && pending_output().empty()) {
    body_wanted_ = false;
    return ClientNeedMessage{};
  }
  return ClientNeedInput{};
}

std::optional<Instant> ClientSession::deadline() const noexcept {
  if (closed_) return std::nullopt;
  if (!pending_output().empty()) return waiting_since_ + options_->block_timeout;
  if (expected_.empty()) return std::nullopt;
  switch (expected_.front().what) {
    case Expect::greeting: return waiting_since_ + options_->greeting_timeout;
    case Expect::data: return waiting_since_ + options_->data_timeout;
    case Expect::end_of_message: return waiting_since_ + options_->end_of_data_timeout;
    case Expect::ehlo:
    case Expect::helo:
    case Expect::starttls:
    case Expect::auth:
    case Expect::mail:
    case Expect::rcpt:
    case Expect::chunk:
    case Expect::rset:
    case Expect::quit: return waiting_since_ + options_->command_timeout;
  }
  __builtin_unreachable();
}

void ClientSession::expire(Instant now) {
  advance(now);
  const auto due = deadline();
  if (due && now >= *due) fail(ServerFault::timed_out);
}

void ClientSession::receive_end(Instant now) {
  advance(now);
  if (!closed_) close({ClientCloseReason::peer_closed, std::nullopt, std::nullopt});
}

void ClientSession::fail(ServerFault fault) { close({ClientCloseReason::fault, fault, std::nullopt}); }

void ClientSession::close(ClientClosed closed) {
  assert(!closed_);
  closed_ = true;
  ready_ = false;
  awaiting_tls_ = false;
  closing_ = std::move(closed);
  events_.clear();
  expected_.clear();
  output_.clear();
  output_begin_ = 0;
  if (!message_open_) return;
  if (closing_.reply && !mail_refused_) mail_refused_ = closing_.reply;  // what the server said of itself
  finish_message();
}

}  // namespace keystonemail::smtp
