// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/milter/client_session.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "milter/text.hpp"
#include "milter/wire.hpp"

namespace keystonemail::milter {
namespace {

// What a filter that chooses no macros is told at each stage, as other servers have it.
constexpr std::array<std::string_view, macro_stages> usual_macros{
    "j _ {daemon_name} {if_name} {if_addr} v",
    "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}",
    "i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} {mail_mailer}",
    "i {rcpt_addr} {rcpt_host} {rcpt_mailer}",
    "i",
    "i",
    "i",
};

// Names divided by blanks or commas.
std::vector<std::string> macro_names(std::string_view list) {
  std::vector<std::string> names;
  while (!list.empty()) {
    const std::string_view word = list.substr(0, list.find_first_of(" ,\t"));
    if (!word.empty()) names.emplace_back(word);
    list.remove_prefix(std::min(word.size() + 1, list.size()));
  }
  return names;
}

}  // namespace

std::string_view to_string(Fault fault) noexcept {
  switch (fault) {
    case Fault::packet_too_large: return "packet too large";
    case Fault::packet_malformed: return "malformed packet";
    case Fault::bad_negotiation: return "negotiation failed";
    case Fault::unexpected: return "unexpected answer";
    case Fault::not_negotiated: return "an edit that was not announced";
    case Fault::too_many_edits: return "too many edits";
    case Fault::bad_edit: return "an edit that cannot be made";
    case Fault::timed_out: return "timed out";
    case Fault::connection_lost: return "connection lost";
  }
  __builtin_unreachable();
}

ClientSession::ClientSession(const ClientOptions& options, Instant now) : options_(&options), now_(now), since_(now) {
  for (std::size_t i = 0; i < macro_stages; ++i) macros_[i] = macro_names(usual_macros[i]);
}

void ClientSession::advance(Instant now) noexcept {
  assert(now >= now_);
  now_ = now;
}

// --- Saying ---

void ClientSession::say(char command, std::string_view data) {
  if (output_.empty()) since_ = now_;
  append_number(output_, static_cast<std::uint32_t>(data.size() + 1));
  output_ += command;
  output_ += data;
}

void ClientSession::say_macros(char command, MacroStage stage, std::span<const Macro> macros) {
  std::string data(1, command);
  for (const std::string& name : macros_[static_cast<std::size_t>(stage)]) {
    const auto known = std::ranges::find(macros, std::string_view(name), &Macro::name);
    if (known == macros.end() || data.size() + name.size() + known->value.size() + 2 > limits::data_octets_max) continue;
    append_string(data, name);
    append_string(data, known->value);
  }
  if (data.size() > 1) say('D', data);
}

void ClientSession::ask(Asked what, Instant now) {
  assert(asked_ == Asked::nothing && !event_ && !closed_);
  advance(now);
  asked_ = what;
}

void ClientSession::command(char command, std::string_view data, std::uint32_t unwanted, std::uint32_t quiet, MacroStage stage,
                            std::span<const Macro> macros, Instant now) {
  ask(Asked::command, now);
  if (steps_ & unwanted) return answer({});
  say_macros(command, stage, macros);
  say(command, data);
  if (steps_ & quiet) answer({});
}

void ClientSession::begin(Instant now) {
  ask(Asked::negotiation, now);
  std::string data;
  append_number(data, version_most);
  append_number(data, options_->actions);
  append_number(data, options_->steps);
  say('O', data);
}

void ClientSession::connect(const Peer& peer, std::span<const Macro> macros, Instant now) {
  std::string data;
  append_string(data, peer.hostname);
  data += static_cast<char>(peer.family);
  if (peer.family != Family::unknown) {
    data += static_cast<char>(peer.port >> 8);
    data += static_cast<char>(peer.port & 0xff);
    append_string(data, peer.address);
  }
  command('C', data, steps::no_connect, steps::quiet_connect, MacroStage::connect, macros, now);
}

void ClientSession::helo(std::string_view name, std::span<const Macro> macros, Instant now) {
  std::string data;
  append_string(data, name);
  command('H', data, steps::no_helo, steps::quiet_helo, MacroStage::helo, macros, now);
}

void ClientSession::mail(std::span<const std::string_view> arguments, std::span<const Macro> macros, Instant now) {
  edits_ = header_edit_octets_ = 0;
  body_octets_ = 0;
  body_skipped_ = false;
  std::string data;
  for (const std::string_view one : arguments) append_string(data, one);
  command('M', data, steps::no_mail, steps::quiet_mail, MacroStage::mail, macros, now);
}

void ClientSession::rcpt(std::span<const std::string_view> arguments, std::span<const Macro> macros, Instant now) {
  std::string data;
  for (const std::string_view one : arguments) append_string(data, one);
  command('R', data, steps::no_rcpt, steps::quiet_rcpt, MacroStage::rcpt, macros, now);
}

void ClientSession::data(std::span<const Macro> macros, Instant now) {
  if (version_ < 4) {  // not known before
    ask(Asked::command, now);
    return answer({});
  }
  command('T', {}, steps::no_data, steps::quiet_data, MacroStage::data, macros, now);
}

void ClientSession::unknown(std::string_view line, std::span<const Macro> macros, Instant now) {
  if (version_ < 3) {
    ask(Asked::command, now);
    return answer({});
  }
  std::string data;
  append_string(data, line.substr(0, limits::data_octets_max - 1));
  command('U', data, steps::no_unknown, steps::quiet_unknown, MacroStage::helo, macros, now);
}

void ClientSession::header(std::string_view name, std::string_view value, Instant now) {
  std::string data;
  append_string(data, name.substr(0, limits::data_octets_max / 2));
  append_string(data, std::string_view(value_for_filter(value, keeps_leading_space())).substr(0, limits::data_octets_max - data.size() - 1));
  command('L', data, steps::no_headers, steps::quiet_header, MacroStage::data, {}, now);
}

void ClientSession::end_of_header(std::span<const Macro> macros, Instant now) {
  command('N', {}, steps::no_end_of_header, steps::quiet_end_of_header, MacroStage::end_of_header, macros, now);
}

void ClientSession::body(std::string_view octets, Instant now) {
  assert(octets.size() <= limits::body_chunk_octets_max);
  ask(Asked::body, now);
  if (!wants_body() || octets.empty()) return answer({});
  say('B', octets);
  if (steps_ & steps::quiet_body) answer({});
}

void ClientSession::end_of_message(std::span<const Macro> macros, Instant now) {
  ask(Asked::end_of_message, now);
  say_macros('E', MacroStage::end_of_message, macros);
  say('E', {});
}

void ClientSession::abort(Instant now) {
  assert(asked_ == Asked::nothing && !closed_);
  advance(now);
  say('A', {});
}

void ClientSession::quit_new_connection(Instant now) {
  assert(asked_ == Asked::nothing && !closed_ && speaks_quit_new_connection());
  advance(now);
  say('K', {});
}

void ClientSession::quit(Instant now) {
  assert(asked_ == Asked::nothing && !closed_);
  advance(now);
  say('Q', {});
}

void ClientSession::consume_output(std::size_t octets, Instant now) {
  assert(octets <= output_.size());
  advance(now);
  output_.erase(0, octets);
  since_ = now_;
}

// --- Hearing ---

std::size_t ClientSession::receive(std::string_view octets, Instant now) {
  advance(now);
  if (octets.empty() || closed_ || event_) return 0;
  if (asked_ == Asked::nothing) {
    (void)fail(Fault::unexpected);
    return octets.size();
  }
  if (body_left_ > 0) {
    const std::string_view piece = octets.substr(0, body_left_);
    body_left_ -= piece.size();
    take_body_octets(piece);
    return piece.size();
  }
  std::size_t taken = std::min(octets.size(), 5 - std::min<std::size_t>(input_.size(), 5));
  input_.append(octets, 0, taken);
  if (input_.size() < 4) return taken;
  std::string_view packet = input_;
  const std::size_t length = *take_number(packet);
  if (length == 0) return (void)fail(Fault::packet_malformed), taken;
  if (packet.empty()) return taken;
  const char what = packet.front();
  if (length > (what == 'b' ? limits::body_packet_octets_max : limits::packet_octets_max)) {
    return (void)fail(Fault::packet_too_large), taken;
  }
  if (what == 'b') {
    input_.clear();
    if (asked_ != Asked::end_of_message) return (void)fail(Fault::unexpected), taken;
    if (!may(actions::change_body)) return taken;
    since_ = now_;
    body_left_ = length - 1;
    if (body_left_ == 0) take_body_octets({});
    return taken;
  }
  const std::size_t more = std::min(octets.size() - taken, length + 4 - input_.size());
  input_.append(octets, taken, more);
  taken += more;
  if (input_.size() < length + 4) return taken;
  const std::string whole = std::exchange(input_, {});
  since_ = now_;
  take_packet(what, std::string_view(whole).substr(5));
  return taken;
}

void ClientSession::receive_end(Instant now) {
  advance(now);
  if (!closed_ && !event_) (void)fail(Fault::connection_lost);
}

void ClientSession::expire(Instant now) {
  advance(now);
  const auto end = deadline();
  if (end && *end <= now_) (void)fail(Fault::timed_out);
}

std::optional<Instant> ClientSession::deadline() const noexcept {
  if (closed_ || event_) return std::nullopt;
  if (!output_.empty()) return since_ + options_->send_timeout;
  if (asked_ == Asked::nothing) return std::nullopt;
  return since_ + (asked_ == Asked::end_of_message ? options_->end_timeout : options_->reply_timeout);
}

Event ClientSession::next_event() { return event_ ? *std::exchange(event_, std::nullopt) : NeedInput{}; }

void ClientSession::take_packet(char what, std::string_view data) {
  if (asked_ == Asked::negotiation) return what == 'O' ? take_negotiation(data) : (void)fail(Fault::unexpected);
  switch (what) {
    case 'p': return;  // progress
    case 'c': return answer({});
    case 'a': return answer({.response = Response::accept, .code = 0, .status = {}, .text = {}});
    case 'r': return answer({.response = Response::reject, .code = 0, .status = {}, .text = {}});
    case 't': return answer({.response = Response::tempfail, .code = 0, .status = {}, .text = {}});
    case 'd': return answer({.response = Response::discard, .code = 0, .status = {}, .text = {}});
    case '4': return answer({.response = Response::shutdown, .code = 0, .status = {}, .text = {}});
    case 'f': return answer({.response = Response::connection_failure, .code = 0, .status = {}, .text = {}});
    case 'y': return take_reply(data);
    case 's':
      if (asked_ != Asked::body || !(steps_ & steps::skip)) return (void)fail(Fault::unexpected);
      body_skipped_ = true;
      return answer({.response = Response::skip, .code = 0, .status = {}, .text = {}});
    default:
      if (asked_ != Asked::end_of_message) return (void)fail(Fault::unexpected);
      (void)take_edit(what, data);
  }
}

// Version, actions and steps, and lists of macros when it was offered to choose them.
void ClientSession::take_negotiation(std::string_view data) {
  const auto version = take_number(data), wanted = take_number(data), steps = take_number(data);
  if (!version || !wanted || !steps) return (void)fail(Fault::packet_malformed);
  if (*version < version_least || *version > version_most || *wanted & ~options_->actions || *steps & ~options_->steps) {
    return (void)fail(Fault::bad_negotiation);
  }
  version_ = *version;
  actions_ = *wanted;
  steps_ = version_ == 2 ? *steps & milter::steps::all_of_version_2 : *steps;
  if (data.size() > macro_stages * limits::macro_list_octets_max) return (void)fail(Fault::packet_too_large);
  while (!data.empty()) {
    const auto stage = take_number(data);
    const std::string_view list = take_string(data);
    if (!stage || *stage >= macro_stages || list.size() > limits::macro_list_octets_max) return (void)fail(Fault::packet_malformed);
    macros_[*stage] = macro_names(list);
  }
  answer({});
}

bool ClientSession::may(std::uint32_t actions) { return (actions_ & actions) != 0 || fail(Fault::not_negotiated); }

bool ClientSession::take_edit(char what, std::string_view data) {
  if (++edits_ > limits::edits_max) return fail(Fault::too_many_edits);
  switch (what) {
    case 'h':
    case 'i':
    case 'm': return take_header_edit(what, data);
    case '+':
    case '2':
    case '-':
    case 'e': return take_recipient(what, data);
    case 'q':
      if (!may(actions::quarantine)) return false;
      event_ = Quarantine{printable(take_string(data), limits::reply_octets_max)};
      return true;
    default: return fail(Fault::unexpected);
  }
}

bool ClientSession::take_header_edit(char what, std::string_view data) {
  if (!may(what == 'm' ? actions::change_headers : actions::add_headers)) return false;
  std::optional<std::uint32_t> place = 0;
  if (what != 'h') place = take_number(data);
  if (!place) return fail(Fault::packet_malformed);
  header_edit_octets_ += data.size();
  if (header_edit_octets_ > limits::header_edit_octets_max) return fail(Fault::too_many_edits);
  std::string name(take_string(data));
  const std::string_view raw = take_string(data);
  if (!data.empty()) return fail(Fault::packet_malformed);
  if (!is_field_name(name)) return fail(Fault::bad_edit);
  std::string value = field_value(raw);
  if (what == 'h') {
    event_ = AddHeader{std::move(name), std::move(value)};
  } else if (what == 'i') {
    event_ = InsertHeader{*place, std::move(name), std::move(value)};
  } else {
    event_ = ChangeHeader{std::max(*place, 1U), std::move(name), std::move(value), raw.empty()};
  }
  return true;
}

bool ClientSession::take_recipient(char what, std::string_view data) {
  const std::uint32_t needed = what == '+'   ? actions::add_recipients
                               : what == '2' ? actions::add_recipients_with_parameters
                               : what == '-' ? actions::remove_recipients
                                             : actions::change_sender;
  if (!may(needed)) return false;
  auto whom = address(take_string(data));
  const std::string_view parameters = what == '2' || what == 'e' ? take_string(data) : std::string_view();
  if (!data.empty()) return fail(Fault::packet_malformed);
  if (!whom || (whom->empty() && what != 'e')) return fail(Fault::bad_edit);
  std::string words = printable(parameters, limits::address_octets_max);
  if (what == '-') {
    event_ = RemoveRecipient{*std::move(whom)};
  } else if (what == 'e') {
    event_ = ChangeSender{*std::move(whom), std::move(words)};
  } else {
    event_ = AddRecipient{*std::move(whom), std::move(words)};
  }
  return true;
}

// Every line end becomes CRLF. A NUL is refused, as it is when mail comes in.
void ClientSession::take_body_octets(std::string_view octets) {
  since_ = now_;
  if (body_octets_ == 0) body_after_cr_ = false;
  body_octets_ += octets.size();
  if (body_octets_ > options_->body_octets_max) return (void)fail(Fault::too_many_edits);
  piece_.clear();
  for (const char c : octets) {
    if (c == '\0') return (void)fail(Fault::bad_edit);
    const bool ends_line = c == '\r' || (c == '\n' && !body_after_cr_);
    if (ends_line) piece_ += "\r\n";
    else if (c != '\n') piece_ += c;
    body_after_cr_ = c == '\r';
  }
  event_ = BodyPiece{piece_};
}

void ClientSession::take_reply(std::string_view data) {
  auto reply = parse_reply(take_string(data));
  if (!reply) return (void)fail(Fault::bad_edit);
  answer(*std::move(reply));
}

void ClientSession::answer(Answer answer) {
  assert(asked_ != Asked::nothing && !event_);
  asked_ = Asked::nothing;
  event_ = std::move(answer);
}

bool ClientSession::fail(Fault fault) {
  closed_ = true;
  asked_ = Asked::nothing;
  output_.clear();
  input_.clear();
  body_left_ = 0;
  event_ = Failed{fault};
  return false;
}

}  // namespace keystonemail::milter
