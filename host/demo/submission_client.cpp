// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "demo/submission_client.hpp"

#include <utility>

#include "base/try.hpp"

namespace keystonemail::host::demo {

namespace {

smtp::ClientOptions client_options() {
  smtp::ClientOptions options;
  options.protocol = smtp::Protocol::submission;
  options.starttls = smtp::TlsPolicy::required;
  return options;
}

// The engine, the stream it talks over, and where we are.
class Sender {
 public:
  Sender(std::unique_ptr<transport::ByteStream> stream, Submission submission, Random& random, Context context)
      : stream_(std::move(stream)), submission_(std::move(submission)), random_(random), context_(std::move(context)),
        session_(options_, now()) {}

  [[nodiscard]] Task<Result<std::string>> run();

 private:
  [[nodiscard]] Instant now() const { return context_.executor->now(); }
  [[nodiscard]] Task<Result<void>> flush();
  [[nodiscard]] Task<Result<void>> read();
  [[nodiscard]] Task<Result<void>> start_tls();
  [[nodiscard]] Result<void> proceed();
  void authenticate();
  [[nodiscard]] Result<void> answer(const smtp::ClientAuthChallenge& challenge);
  [[nodiscard]] Result<void> check(const smtp::ClientAuthDone& done);
  void give_message();
  [[nodiscard]] Error closed(const smtp::ClientClosed& event) const;

  const smtp::ClientOptions options_ = client_options();
  std::unique_ptr<transport::ByteStream> stream_;
  Submission submission_;
  Random& random_;
  Context context_;
  smtp::ClientSession session_;
  const tls::Channel* channel_ = nullptr;
  std::unique_ptr<sasl::ClientExchange> exchange_;
  bool authenticated_ = false, given_ = false;
  std::optional<smtp::Reply> result_;
};

Task<Result<void>> Sender::flush() {
  while (!session_.pending_output().empty()) {
    const std::string_view output = session_.pending_output();
    KM_CO_CHECK(co_await transport::write_all(*stream_, output, context_));
    session_.consume_output(output.size(), now());
  }
  co_return {};
}

Task<Result<void>> Sender::read() {
  KM_CO_TRY(const std::string_view octets, co_await stream_->read(context_));
  if (octets.empty()) session_.receive_end(now());
  stream_->consume(session_.receive(octets, now()));
  co_return {};
}

Task<Result<void>> Sender::start_tls() {
  tls::ClientRequest request = submission_.server;
  KM_CO_TRY(auto secured, co_await transport::TlsStream::connect(std::move(stream_), submission_.tls, std::move(request),
                                                                 transport::TlsStart::upgrade, context_));
  channel_ = &secured->channel();
  stream_ = std::move(secured);
  if (submission_.secured) submission_.secured(*channel_);
  session_.tls_established(now());
  co_return {};
}

void Sender::authenticate() {
  sasl::ClientOptions options;
  options.server_offers_plus = true;
  if (channel_) options.bindings = {channel_->exporter_binding(), channel_->end_point_binding()};
  exchange_ = sasl::make_client(sasl::Mechanism::scram_sha_256_plus, std::move(submission_.credentials), std::move(options), random_);
  const auto initial = exchange_->initial_response();
  session_.authenticate(to_string(sasl::Mechanism::scram_sha_256_plus), initial ? std::optional<std::string_view>(*initial) : std::nullopt,
                        now());
}

Result<void> Sender::answer(const smtp::ClientAuthChallenge& challenge) {
  const auto answer = exchange_->receive(challenge.data);
  const auto* words = std::get_if<sasl::Response>(&answer);
  if (!words) return fail(ErrorKind::denied, std::string(to_string(std::get<sasl::ClientFailed>(answer).reason)));
  session_.respond(words->text, now());
  return {};
}

Result<void> Sender::check(const smtp::ClientAuthDone& done) {
  if (!done.reply.positive()) return fail(ErrorKind::denied, done.reply.to_string());
  if (!exchange_->complete()) return fail(ErrorKind::denied, "the server did not prove that it knows the password");
  authenticated_ = true;
  if (submission_.authenticated) submission_.authenticated();
  return {};
}

// What the session is ready for next.
Result<void> Sender::proceed() {
  if (!exchange_) {
    authenticate();
  } else if (result_ || !authenticated_) {
    session_.quit(now());
  } else {
    const auto sender = smtp::parse_mailbox(submission_.sender), recipient = smtp::parse_mailbox(submission_.recipient);
    if (!sender || !recipient) return fail(ErrorKind::invalid, "not an address");
    smtp::ClientEnvelope envelope;
    envelope.sender = *sender;
    envelope.recipients.push_back({*recipient, {}});
    envelope.octets = submission_.message.size();
    session_.send(std::move(envelope), now());
  }
  return {};
}

void Sender::give_message() {
  if (!given_) session_.give_message(submission_.message, now());
  else session_.end_message(now());
  given_ = true;
}

Error Sender::closed(const smtp::ClientClosed& event) const {
  if (event.reply) return Error(ErrorKind::denied, event.reply->to_string());
  if (event.fault) return Error(ErrorKind::invalid, std::string(to_string(*event.fault)));
  return Error(ErrorKind::unavailable, "the server closed the connection");
}

Task<Result<std::string>> Sender::run() {
  for (;;) {
    KM_CO_CHECK(co_await flush());
    const smtp::ClientEvent event = session_.next_event();
    if (std::holds_alternative<smtp::ClientNeedInput>(event)) {
      if (!session_.pending_output().empty()) continue;
      KM_CO_CHECK(co_await read());
    } else if (std::holds_alternative<smtp::ClientStartTls>(event)) {
      KM_CO_CHECK(co_await start_tls());
    } else if (std::holds_alternative<smtp::ClientReady>(event)) {
      KM_CO_CHECK(proceed());
    } else if (const auto* challenge = std::get_if<smtp::ClientAuthChallenge>(&event)) {
      KM_CO_CHECK(answer(*challenge));
    } else if (const auto* auth = std::get_if<smtp::ClientAuthDone>(&event)) {
      KM_CO_CHECK(check(*auth));
    } else if (std::holds_alternative<smtp::ClientNeedMessage>(event)) {
      give_message();
    } else if (const auto* sent = std::get_if<smtp::ClientMessageDone>(&event)) {
      result_ = sent->replies.front();
    } else if (const auto* over = std::get_if<smtp::ClientClosed>(&event)) {
      co_await stream_->close(context_);
      if (!result_) co_return std::unexpected(closed(*over));
      if (!result_->positive()) co_return fail(ErrorKind::denied, result_->to_string());
      co_return result_->to_string();
    }
  }
}

}  // namespace

Task<Result<std::string>> submit(std::unique_ptr<transport::ByteStream> stream, Submission submission, Random& random, Context context) {
  Sender sender(std::move(stream), std::move(submission), random, std::move(context));
  co_return co_await sender.run();
}

}  // namespace keystonemail::host::demo
