// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Session: one connection of Reception, the coroutine between the smtp engine and the ports.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "keystonemail/policy/chain.hpp"
#include "keystonemail/service/access/authenticator.hpp"
#include "keystonemail/service/reception/reception.hpp"
#include "keystonemail/smtp/server_session.hpp"
#include "keystonemail/transport/tls_stream.hpp"
#include "service/reception/transaction.hpp"

namespace keystonemail::reception {

// Ownership: borrows its Reception. Threads: its connection's executor.
class Session {
 public:
  Session(const Reception& reception, std::unique_ptr<transport::ByteStream> stream, Context context);
  [[nodiscard]] Task<void> run();

 private:
  enum class Next : std::uint8_t { proceed, upgrade, finish };

  [[nodiscard]] Task<void> converse();
  [[nodiscard]] Task<Next> take_events();
  [[nodiscard]] Task<Result<std::string_view>> read();
  [[nodiscard]] Task<bool> flush();
  [[nodiscard]] Task<bool> start_tls();

  // One for each event that wants something; none of them fails: what goes wrong is a reply.
  [[nodiscard]] Task<void> on(smtp::Connected);
  [[nodiscard]] Task<void> on(const smtp::Helo& event);
  [[nodiscard]] Task<void> on(smtp::AuthStart event);
  [[nodiscard]] Task<void> on(smtp::AuthResponse event);
  [[nodiscard]] Task<void> on(smtp::AuthAborted event);
  [[nodiscard]] Task<void> on(const smtp::MailFrom& event);
  [[nodiscard]] Task<void> on(const smtp::RcptTo& event);
  [[nodiscard]] Task<void> on(smtp::MessageBegin event);
  [[nodiscard]] Task<void> on(smtp::MessageChunk event);
  [[nodiscard]] Task<void> on(smtp::MessageEnd event);
  [[nodiscard]] Task<void> on(smtp::MessageAborted event);
  [[nodiscard]] Task<void> on(smtp::UnknownCommand event);
  [[nodiscard]] Task<void> on(smtp::Reset);

  [[nodiscard]] Task<void> answer_login(access::LoginStep step);
  // What the peer hears when what it logged in with has been taken away; nothing while it holds.
  [[nodiscard]] std::optional<smtp::Reply> revoked();
  // Asks the policies. What they want changed is kept with the transaction; a refusal comes back. `hello` is a name that has
  // not been accepted yet.
  [[nodiscard]] Task<std::optional<smtp::Reply>> screen(policy::Stage stage, std::string_view hello = {});
  [[nodiscard]] policy::Facts facts(std::string_view hello = {}) const;
  // Waits before the greeting. A peer that speaks meanwhile is an early talker.
  [[nodiscard]] Task<void> listen_until(Instant when);
  // Refuses MAIL or RCPT: the policies hear of it, and may want it answered late, or by 421.
  [[nodiscard]] Task<void> refuse(policy::Stage stage, std::string address, smtp::Reply reply);
  void end_transaction() noexcept;
  [[nodiscard]] std::optional<smtp::Reply> take_release_time(const smtp::MailParameters& parameters);
  [[nodiscard]] std::optional<smtp::Reply> unable_to_promise() const;
  [[nodiscard]] Task<std::optional<smtp::Reply>> accept_recipient(const smtp::RcptTo& event);
  [[nodiscard]] Task<std::optional<smtp::Reply>> add_mailboxes(directory::Mailboxes found, const smtp::RcptTo& event,
                                                               std::string_view address);
  void add_remote(const smtp::RcptTo& event, std::string address);
  [[nodiscard]] Task<std::optional<smtp::Reply>> accept_here(directory::Resolution resolved, const smtp::RcptTo& event, std::string address);
  [[nodiscard]] Task<std::optional<smtp::Reply>> accept_return(const smtp::RcptTo& event, smtp::Path original);
  void add_forwards(std::vector<directory::Mailboxes::Remote> found, std::size_t leads_to, const smtp::RcptTo& event, std::string_view address);
  // What went on lately stays here (attack E2).
  [[nodiscard]] Task<Result<void>> hold_repeats(std::string message_id);
  [[nodiscard]] kv::Operation remember_redirects(std::string_view message_id) const;
  void add_wish(const directory::Mailboxes& found, const smtp::RcptTo& event, std::string_view address);
  [[nodiscard]] std::optional<smtp::Reply> find_loop(const HeaderFindings& findings) const;
  [[nodiscard]] std::optional<smtp::Reply> stop_rounds(const HeaderFindings& findings);
  [[nodiscard]] Result<void> keep_for_return();
  [[nodiscard]] Result<void> make_seal();
  [[nodiscard]] bool is_vouched_for() const;
  [[nodiscard]] autoreply::Proof proof_of_sender() const;
  // What those of the accounts that are absent have answered, and why others have not.
  struct Answers {
    std::size_t first = 0;                         // among what is submitted together
    std::vector<autoreply::Response> given;
  };
  [[nodiscard]] Task<Answers> add_answers(delivery::Submission& submission, std::string message_id);
  void log_answers(const Answers& answers, const delivery::Accepted& accepted, const std::string& message_id) const;
  [[nodiscard]] std::string sender_of_members(std::string_view list) const;
  [[nodiscard]] Task<Result<std::string>> sender_of_forwards();
  // Copies for addresses elsewhere, one entry for those that are alike.
  [[nodiscard]] Task<Result<std::vector<delivery::Submission>>> forwarded(std::shared_ptr<mailstore::StagedMessage> message, std::string prefix,
                                                                          std::string message_id);
  // What the sender hears of recipients; nothing when there is nobody to tell.
  [[nodiscard]] Task<Result<std::optional<delivery::Submission>>> report_to_sender(std::vector<Wish> wishes, std::string prefix, std::string message_id);
  [[nodiscard]] queue::Envelope envelope() const;
  [[nodiscard]] std::string origin() const;
  void note_verdict(policy::Stage stage, const policy::Outcome& outcome);
  [[nodiscard]] queue::History history(std::string_view what, const std::string& message_id, const smtp::Reply& reply);
  [[nodiscard]] Task<void> note_refusal(const smtp::Reply& reply);
  [[nodiscard]] Task<std::optional<smtp::Reply>> take_header();
  [[nodiscard]] bool brings_return_path() const;
  [[nodiscard]] Task<std::optional<smtp::Reply>> write_header();
  [[nodiscard]] Task<std::optional<smtp::Reply>> take_body(std::string_view octets);
  void complete_header();
  [[nodiscard]] Task<std::optional<smtp::Reply>> judge_message(const HeaderFindings& findings);
  [[nodiscard]] Task<Result<void>> write_again();
  [[nodiscard]] Task<std::optional<smtp::Reply>> edit_envelope();
  [[nodiscard]] Task<std::optional<smtp::Reply>> add_recipient(const std::string& address, const std::string& parameters);
  void take_parameters(const std::string& text);
  [[nodiscard]] Task<void> refuse_message(smtp::Reply reply);
  [[nodiscard]] smtp::Reply ok_reply() const;
  [[nodiscard]] Task<smtp::Reply> deliver(std::shared_ptr<mailstore::StagedMessage> message, const HeaderFindings& findings);
  [[nodiscard]] Task<std::vector<smtp::Reply>> deliver_each(std::shared_ptr<mailstore::StagedMessage> message,
                                                            const HeaderFindings& findings);
  [[nodiscard]] Task<std::vector<smtp::Reply>> deliver_by_recipient(std::shared_ptr<mailstore::StagedMessage> message,
                                                                    const HeaderFindings& findings);
  // What goes in one commit.
  struct Share {
    std::vector<delivery::LocalRecipient> local;
    bool with_remote = false;
    std::vector<Wish> wishes;
  };
  [[nodiscard]] Task<Result<delivery::Accepted>> submit(std::shared_ptr<mailstore::StagedMessage> message, Share share, std::string prefix,
                                                        std::string message_id, queue::History history);
  [[nodiscard]] delivery::LocalRecipient local_copy(std::size_t place, std::string_view common, queue::History& journey) const;
  [[nodiscard]] std::vector<Wish> wishes_with(std::size_t account, bool with_remote, const std::vector<smtp::Reply>& by_account) const;
  [[nodiscard]] std::string common_prefix();
  void log_accepted(std::uint64_t octets, const delivery::Accepted& accepted, const std::string& message_id) const;
  void log_refused(std::string_view stage, std::string_view address, const smtp::Reply& reply) const;

  [[nodiscard]] std::string_view service_name() const noexcept;
  [[nodiscard]] bool is_submission() const noexcept;
  [[nodiscard]] bool is_lmtp() const noexcept;
  [[nodiscard]] Instant now() const noexcept { return context_.executor->now(); }
  // Finishing a message comes before going away, so these calls do not hear the stop token.
  [[nodiscard]] Context working() const { return {context_.executor}; }

  const Options& options_;
  const Services& services_;
  std::unique_ptr<transport::ByteStream> stream_;
  Context context_;
  smtp::ServerSession engine_;
  std::string id_;                               // follows the session through the log
  std::string peer_;                             // for the log
  std::uint32_t message_number_ = 0;
  Result<access::ConnectionLimits::Lease> place_;
  std::optional<access::Authenticator> authenticator_;
  std::optional<directory::Account> account_;    // who logged in
  access::OpenLogins::Lease login_;
  std::string mechanism_;                        // that was asked for last
  policy::Screening screening_;
  std::optional<Transaction> transaction_;
  std::string tls_clause_;                       // for the Received field
  WallTime connected_{};
};

// The mechanisms for a connection with these facts, as EHLO lists them.
[[nodiscard]] std::string mechanism_names(const access::LoginServices& logins, const access::ConnectionFacts& facts);

}  // namespace keystonemail::reception
