// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// EHLO, HELO (RFC 5321 §4.1.1.1) and LHLO (RFC 2033 §4.1), and the keywords we offer.
#include <algorithm>
#include <string>

#include "keystonemail/smtp/limits.hpp"
#include "smtp/server_engine.hpp"

namespace keystonemail::smtp {
namespace {

// LENIENT: clients send host names that are no domains ("my_host", "localhost."); one printable word will do.
bool is_hello_name(std::string_view name) noexcept {
  const auto printable = [](char c) { return c > ' ' && c < 0x7f; };
  return !name.empty() && name.size() <= limits::domain_octets_max && std::ranges::all_of(name, printable);
}

// One EHLO reply, a line for each keyword.
class KeywordLines {
 public:
  explicit KeywordLines(std::string_view hostname) : text_(hostname) {}
  void add(std::string_view keyword) { (text_ += '\n') += keyword; }
  void add(std::string_view keyword, std::string_view value) { (((text_ += '\n') += keyword) += ' ') += value; }
  void add(std::string_view keyword, std::uint64_t value) { add(keyword, std::to_string(value)); }
  [[nodiscard]] std::string_view text() const noexcept { return text_; }

 private:
  std::string text_;
};

// RFC 9422 §3: only limits that are there.
void add_limits(KeywordLines& lines, const ServerOptions& options) {
  std::string value = "RCPTMAX=" + std::to_string(options.recipients_max);
  if (options.transactions_max != 0) value = "MAILMAX=" + std::to_string(options.transactions_max) + ' ' + value;
  if (options.recipient_domains_max != 0) value += " RCPTDOMAINMAX=" + std::to_string(options.recipient_domains_max);
  lines.add("LIMITS", value);
}

void add_options(KeywordLines& lines, const ServerOptions& options, bool secure) {
  if (options.offer_pipelining) lines.add("PIPELINING");
  lines.add("SIZE", options.message_octets_max);
  lines.add("8BITMIME");
  if (options.offer_smtputf8) lines.add("SMTPUTF8");
  if (options.offer_chunking) {
    lines.add("CHUNKING");
    lines.add("BINARYMIME");
  }
  if (options.offer_dsn) lines.add("DSN");
  lines.add("ENHANCEDSTATUSCODES");
  add_limits(lines, options);
  if (options.offer_require_tls_extension && secure) lines.add("REQUIRETLS");
  if (options.future_release_max.count() > 0) {
    // RFC 4865 §3 wants a last date too; the interval is what binds.
    lines.add("FUTURERELEASE", std::to_string(options.future_release_max.count()) + " 9999-12-31T23:59:59Z");
  }
  if (options.offer_deliver_by) lines.add("DELIVERBY");
  if (options.offer_mt_priority) lines.add("MT-PRIORITY");
}

}  // namespace

void ServerEngine::run_helo(std::string_view argument) { run_hello(HelloVerb::helo, argument); }
void ServerEngine::run_ehlo(std::string_view argument) { run_hello(HelloVerb::ehlo, argument); }
void ServerEngine::run_lhlo(std::string_view argument) { run_hello(HelloVerb::lhlo, argument); }

void ServerEngine::run_hello(HelloVerb verb, std::string_view argument) {
  if (is_lmtp() != (verb == HelloVerb::lhlo)) return fault(PeerFault::unknown_command);
  if (state_ != State::start && ++junk_commands_ > options_->junk_commands_max) {
    return close_with(PeerFault::too_many_junk_commands);
  }
  if (argument.empty()) return fault(PeerFault::argument_missing);
  if (!is_hello_name(argument)) return fault(PeerFault::bad_hello_name);
  hello_verb_ = verb;
  hello_pending_ = argument;
  ask(Question::hello, Helo{verb, hello_pending_});
}

// RFC 5321 §4.1.4: accepted, it resets like RSET; refused, nothing has changed.
void ServerEngine::accept_hello() {
  reset_due_ = in_transaction(state_);
  end_transaction();
  state_ = State::ready;
  hello_name_ = std::move(hello_pending_);
  hello_pending_.clear();
  extended_ = hello_verb_ != HelloVerb::helo;
  if (!extended_) return reply(250, {}, options_->hostname, EnhancedCodes::omit);
  KeywordLines lines(options_->hostname);
  add_options(lines, *options_, secure_);
  if (options_->offer_starttls && !secure_) lines.add("STARTTLS");
  if (const std::string_view mechanisms = offered_mechanisms(); !mechanisms.empty()) lines.add("AUTH", mechanisms);
  reply(250, {}, lines.text(), EnhancedCodes::omit);
}

}  // namespace keystonemail::smtp
