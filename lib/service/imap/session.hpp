// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Session: one IMAP connection, the coroutine between the engine and the ports. The commands (command/) work on it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/service/access/authenticator.hpp"
#include "keystonemail/service/imap/service.hpp"
#include "service/imap/append.hpp"
#include "service/imap/engine.hpp"
#include "service/imap/keyword_names.hpp"
#include "service/imap/mailbox_view.hpp"
#include "service/imap/pause.hpp"
#include "service/imap/reply.hpp"

namespace keystonemail::service::imap {

struct Idle;

// What TLS has to say for logins.
struct ChannelFacts {
  sasl::ChannelBindings bindings = {};
  std::string external_identity = {};
};
[[nodiscard]] ChannelFacts channel_facts(const tls::Channel& channel);

// Ownership: borrows its Service. Threads: its connection's executor.
// Limits: idle it holds its view and no buffers; at work, output_octets of responses and what one batch of rows takes.
class Session {
 public:
  static constexpr std::size_t output_octets = 64 * 1024;   // written before more is produced

  // `id` names the connection in the log.
  Session(const Service& service, engine::ServerOptions engine_options, std::unique_ptr<transport::ByteStream> stream,
          ChannelFacts channel, std::string id, Context context);
  ~Session();
  [[nodiscard]] Task<void> run();

  // For the commands.
  [[nodiscard]] MailStore& store() const noexcept { return services_.store; }
  [[nodiscard]] AccountId account() const noexcept { return account_->id; }        // REQUIRES: logged in
  [[nodiscard]] engine::ResponseWriter& out() noexcept { return engine_.responses(); }
  [[nodiscard]] const engine::Features& features() const noexcept { return engine_.features(); }
  [[nodiscard]] std::string_view tag() const noexcept { return engine_.tag(); }
  [[nodiscard]] MailboxView* view() noexcept { return view_.get(); }
  [[nodiscard]] KeywordNames& keywords() noexcept { return keywords_; }
  [[nodiscard]] std::uint64_t append_octets_max() const noexcept { return engine_options_.append_octets_max; }
  void set_view(std::unique_ptr<MailboxView> view) noexcept { view_ = std::move(view); }
  // The selected mailbox is gone, and the client knows.
  void leave_mailbox() noexcept {
    view_.reset();
    engine_.unselect();
  }
  // Of work under way, which a stop of the server lets finish.
  [[nodiscard]] Context working() const { return {context_.executor}; }
  [[nodiscard]] Instant now() const noexcept { return context_.executor->now(); }
  [[nodiscard]] WallTime wall_now() const noexcept { return context_.executor->wall_now(); }
  // Whether enough has been written for the peer to read some of it first.
  [[nodiscard]] bool output_full() const noexcept { return engine_.pending_output().size() >= output_octets; }
  // Waits until the peer has taken what was written. False: it is gone, and so is the session.
  [[nodiscard]] Task<bool> flush();
  // The same, with a piece of a literal after it that is not copied: it has to last until then.
  [[nodiscard]] Task<bool> flush_with(std::string_view piece);
  // For work that may take long (SEARCH, SORT, THREAD): gives way to others, ends it when the server stops or the login does, and
  // tells the client every few seconds that it goes on, which is how one that has left is noticed.
  [[nodiscard]] Pause pausing();
  // Tells what others have changed. False: the mailbox is no more.
  [[nodiscard]] Task<bool> tell_changes(Expunges expunges);
  // Tells the flags of a message that the command in hand has not asked for.
  [[nodiscard]] Task<void> tell_flags(const MessageRow& row);
  // Tells what a mailbox name that is not as the store writes it has become (RFC 9051 §6.3.9.7).
  enum class Existence : std::uint8_t { exists, removed };
  void tell_old_name(std::string_view given, const mailstore::Mailbox& mailbox, Existence existence = Existence::exists);
  // Tells that no keyword can be made any more, where that is so (RFC 9051 §7.1, PERMANENTFLAGS).
  void tell_keywords_full();
  // Tells of flags that are new (RFC 9051 §7.3.5).
  void tell_keywords();
  // Makes sure that the flags of such a row can be named, and tells the client of names that are new.
  [[nodiscard]] Task<void> learn_keywords(const mailstore::KeywordSet& keywords);
  [[nodiscard]] bool lost() const noexcept { return lost_; }
  // After the answer to the command in hand all octets are compressed, both ways.
  void compress_from_here() noexcept { compressing_ = true; }
  [[nodiscard]] bool compressing() const noexcept { return compressing_; }
  // The store failed in the middle of something that cannot be taken back: the connection ends without a word.
  void abandon() noexcept { lost_ = true; }
  void log_error(std::string_view event, const Error& error);
  [[nodiscard]] Task<Reply> login(engine::Login command);

 private:
  enum class Next : std::uint8_t { proceed, upgrade, compress, finish };

  [[nodiscard]] Task<Result<void>> pause();
  [[nodiscard]] Task<bool> write(std::span<const std::string_view> pieces);
  [[nodiscard]] Task<Next> take_events();
  [[nodiscard]] Task<void> on(engine::Command event);
  [[nodiscard]] Task<void> on(engine::AuthStart event);
  [[nodiscard]] Task<void> on(engine::AuthResponse event);
  [[nodiscard]] Task<void> on(engine::AppendBegin event);
  [[nodiscard]] Task<void> on(engine::AppendChunk event);
  [[nodiscard]] Task<void> on(engine::AppendMessageEnd event);
  [[nodiscard]] Task<void> on(engine::AppendEnd event);
  [[nodiscard]] Task<Result<void>> prepare_append(const engine::AppendBegin& event);
  void refuse_append(const Error& error);
  [[nodiscard]] Task<void> finish(Reply reply, Expunges expunges);
  void add_highest_modseq(Reply& reply);
  void begin_idle();

  void answer_login(access::LoginStep step);
  [[nodiscard]] Reply reply_to_login(access::LoginStep step);
  [[nodiscard]] Reply log_in(access::LoginAccepted accepted);
  [[nodiscard]] Reply refuse_login(const access::LoginRefused& refused);
  [[nodiscard]] access::ConnectionFacts facts() const;

  // What its login rested on was taken away: it gets no more answers.
  void end_revoked();
  [[nodiscard]] Task<Result<std::string_view>> read();
  [[nodiscard]] Task<Result<std::string_view>> read_in_idle(Context wait);
  void end_of_input(const Result<std::string_view>& got);
  [[nodiscard]] Task<bool> upgrade();
  void log_logout();

  const Service& service_;
  const Services& services_;
  const engine::ServerOptions engine_options_;
  std::unique_ptr<transport::ByteStream> stream_;
  const Context context_;
  engine::ServerSession engine_;
  const std::string id_;
  ChannelFacts channel_;
  bool lost_ = false, compressing_ = false;
  engine::CloseReason close_reason_ = engine::CloseReason::ended;
  std::optional<directory::Account> account_;
  std::unique_ptr<access::Authenticator> authenticator_;   // while a login is under way
  access::ConnectionLimits::Lease login_place_;
  access::OpenLogins::Lease login_;
  std::unique_ptr<MailboxView> view_;                      // of the selected mailbox
  KeywordNames keywords_;
  std::unique_ptr<Append> append_;
  std::unique_ptr<Idle> idle_;
  Instant next_word_{};                                    // when the client is told that a long command goes on
  std::uint64_t octets_in_ = 0, octets_out_ = 0, commands_ = 0;
};

inline constexpr auto handshake_time = std::chrono::seconds(30);

[[nodiscard]] std::string_view to_string(engine::CloseReason reason) noexcept;
[[nodiscard]] access::ConnectionFacts connection_facts(const Service& service, const IpAddress& peer, bool secure,
                                                       ChannelFacts channel);
// As CAPABILITY and the engine want them: names with blanks between.
[[nodiscard]] std::string mechanism_names(const access::LoginServices& logins, const access::ConnectionFacts& facts);

}  // namespace keystonemail::service::imap
