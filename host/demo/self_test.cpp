// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "demo/self_test.hpp"

#include <utility>

#include "base/format.hpp"
#include "base/try.hpp"
#include "demo/imap_client.hpp"
#include "demo/submission_client.hpp"
#include "keystonemail/mime/builder.hpp"

namespace keystonemail::host::demo {

namespace {

constexpr auto patience = std::chrono::seconds(20);
constexpr std::size_t attachment_octets = 256 * 1024;

struct Letter {
  std::string octets;
  std::string attachment;
};

Letter write_letter(const Scene& scene, Random& random, WallTime now) {
  Letter letter;
  letter.attachment.resize(attachment_octets);
  random.fill(std::as_writable_bytes(std::span(letter.attachment)));
  mime::Attachment attachment;
  attachment.file_name = "random.bin";
  attachment.octets = letter.attachment;
  letter.octets = mime::MessageBuilder()
                      .date({now, {}})
                      .from({"Alice", scene.alice.login})
                      .to({"Bob", scene.bob.login})
                      .subject("Grüße from the demo")
                      .message_id(random.hex(12) + "@" + scene.alice.login.substr(scene.alice.login.find('@') + 1))
                      .text("Hello Bob,\r\n\r\nthis came by submission with STARTTLS and SCRAM.\r\n.\r\nThe line above is a lone dot.\r\n")
                      .attach(std::move(attachment))
                      .build(random.next_u64());
  return letter;
}

std::string describe(const tls::Channel& channel) {
  const tls::ConnectionInfo info = channel.info();
  return format("{}, {}", info.version == tls::Version::tls1_3 ? "TLS 1.3" : "TLS 1.2", info.cipher);
}

class Play {
 public:
  Play(const Scene& scene, transport::Connector& connector, Random& random, Printer& printer, Context context)
      : scene_(scene), connector_(connector), random_(random), printer_(printer),
        context_(context.until(context.executor->now() + patience)), letter_(write_letter(scene, random, context.executor->wall_now())) {}

  [[nodiscard]] Task<bool> run();

 private:
  using Step = Task<Result<std::string>> (Play::*)();
  [[nodiscard]] Task<Result<std::string>> trust();
  [[nodiscard]] Task<Result<std::string>> log_bob_in();
  [[nodiscard]] Task<Result<std::string>> idle();
  [[nodiscard]] Task<Result<std::string>> send();
  [[nodiscard]] Task<Result<std::string>> hear();
  [[nodiscard]] Task<Result<std::string>> compare();
  [[nodiscard]] Task<Result<std::unique_ptr<transport::ByteStream>>> connect(std::uint16_t port) {
    return connector_.connect({IpAddress::v4({127, 0, 0, 1}), port}, context_);
  }
  [[nodiscard]] static sasl::Credentials credentials(const Person& person) {
    return {.login = person.login, .password = crypto::SecretString(person.app_password)};
  }

  const Scene& scene_;
  transport::Connector& connector_;
  Random& random_;
  Printer& printer_;
  Context context_;
  const Letter letter_;
  std::shared_ptr<const tls::ClientContext> tls_;
  std::unique_ptr<ImapClient> bob_;
  std::uint64_t before_ = 0, number_ = 0;
};

Task<Result<std::string>> Play::trust() {
  tls::ClientOptions options;
  options.trust_pem = scene_.certificate_pem;
  KM_CO_TRY(tls_, tls::ClientContext::create(options));
  co_return format("Alice writes {} octets with an attachment of {}", letter_.octets.size(), letter_.attachment.size());
}

Task<Result<std::string>> Play::log_bob_in() {
  KM_CO_TRY(auto stream, co_await connect(scene_.ports.imap));
  bob_ = std::make_unique<ImapClient>(std::move(stream));
  KM_CO_CHECK(co_await bob_->read_greeting(context_));
  tls::ClientRequest request{.server_name = "127.0.0.1"};
  KM_CO_CHECK(co_await bob_->start_tls(tls_, std::move(request), context_));
  sasl::Credentials who = credentials(scene_.bob);
  KM_CO_CHECK(co_await bob_->authenticate(std::move(who), random_, context_));
  co_return std::string("Bob logs in by IMAP with STARTTLS and SCRAM-SHA-256-PLUS");
}

Task<Result<std::string>> Play::idle() {
  std::string select = "SELECT INBOX";
  KM_CO_TRY(const auto said, co_await bob_->command(std::move(select), context_));
  for (const ImapResponse& response : said)
    if (response.line.starts_with("* ") && response.line.ends_with(" EXISTS")) before_ = std::stoull(response.line.substr(2));
  KM_CO_CHECK(co_await bob_->begin_idle(context_));
  co_return format("Bob waits in IDLE; his INBOX has {} messages", before_);
}

Task<Result<std::string>> Play::send() {
  Submission submission;
  submission.sender = scene_.alice.login;
  submission.recipient = scene_.bob.login;
  submission.message = letter_.octets;
  submission.credentials = credentials(scene_.alice);
  submission.tls = tls_;
  submission.server.server_name = "127.0.0.1";
  submission.secured = [this](const tls::Channel& channel) {
    printer_.done("Alice connects to submission; STARTTLS: " + describe(channel) + ", certificate checked");
  };
  submission.authenticated = [this] { printer_.done("Alice logs in with SCRAM-SHA-256-PLUS; the server proved itself too"); };
  KM_CO_TRY(auto stream, co_await connect(scene_.ports.submission));
  KM_CO_TRY(const std::string reply, co_await submit(std::move(stream), std::move(submission), random_, context_));
  co_return "Alice sends; the server has it: " + reply;
}

Task<Result<std::string>> Play::hear() {
  do {
    KM_CO_TRY(number_, co_await bob_->await_exists(context_));
  } while (number_ <= before_);
  KM_CO_CHECK(co_await bob_->end_idle(context_));
  co_return format("IDLE tells Bob of message {}", number_);
}

Task<Result<std::string>> Play::compare() {
  std::string fetch = format("FETCH {} (BODY.PEEK[] BINARY.PEEK[2])", number_);
  KM_CO_TRY(const auto said, co_await bob_->command(std::move(fetch), context_));
  for (const ImapResponse& response : said) {
    if (response.literals.size() != 2) continue;
    const std::string& whole = response.literals[0];
    if (!whole.ends_with(letter_.octets)) co_return fail(ErrorKind::corrupt, "what Bob fetched is not what Alice sent");
    const std::string_view trace = std::string_view(whole).substr(0, whole.size() - letter_.octets.size());
    if (trace.find("\r\n\r\n") != std::string_view::npos || !trace.starts_with("Return-Path: <" + scene_.alice.login + ">\r\n"))
      co_return fail(ErrorKind::corrupt, "something stands before the message that is no trace field");
    if (response.literals[1] != letter_.attachment) co_return fail(ErrorKind::corrupt, "the attachment is not the one that was sent");
    co_await bob_->log_out(context_);
    co_return format("Bob fetches {} octets: trace fields of {}, then octet for octet what Alice sent", whole.size(), trace.size());
  }
  co_return fail(ErrorKind::invalid, "FETCH brought no message");
}

Task<bool> Play::run() {
  static constexpr std::pair<std::string_view, Step> steps[] = {
      {"writing a message", &Play::trust},          {"Bob logs in", &Play::log_bob_in}, {"Bob waits", &Play::idle},
      {"Alice sends", &Play::send},                 {"Bob hears of it", &Play::hear},   {"Bob fetches and compares", &Play::compare},
  };
  for (const auto& [name, step] : steps) {
    const Result<std::string> done = co_await (this->*step)();
    if (!done) {
      printer_.failed(name, done.error());
      co_return false;
    }
    printer_.done(*done);
  }
  co_return true;
}

}  // namespace

Task<bool> self_test(const Scene& scene, transport::Connector& connector, Random& random, Printer& printer, Context context) {
  Play play(scene, connector, random, printer, std::move(context));
  co_return co_await play.run();
}

}  // namespace keystonemail::host::demo
