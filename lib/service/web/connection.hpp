// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Connection: one HTTP connection, from its first request to its last.
#pragma once

#include <memory>
#include <string>

#include "keystonemail/http/server_session.hpp"
#include "keystonemail/service/web/service.hpp"

namespace keystonemail::web {

class Connection final : public Exchange {
 public:
  Connection(const Options& options, const Services& services, std::unique_ptr<transport::ByteStream> stream, std::string id, Context context);

  [[nodiscard]] Task<void> run();

  [[nodiscard]] const http::RequestHead& request() const noexcept override { return request_; }
  [[nodiscard]] const IpAddress& peer() const noexcept override { return stream_->peer().address; }
  [[nodiscard]] bool secure() const noexcept override { return options_.tls == TlsUse::implicit; }
  [[nodiscard]] Task<Result<std::string_view>> read_body(std::uint64_t octets_max) override;
  void respond(http::ResponseHead head, std::string_view body) override;
  void begin_response(http::ResponseHead head, std::optional<std::uint64_t> body_octets) override;
  [[nodiscard]] Task<Result<void>> write(std::string_view octets) override;
  void finish() override;

 private:
  enum class Body : std::uint8_t { untouched, read, ended };
  enum class Answer : std::uint8_t { none, begun, done };

  [[nodiscard]] Task<void> answer();
  [[nodiscard]] Task<void> serve_site();
  [[nodiscard]] Task<http::ServerEvent> next();
  [[nodiscard]] Task<void> exchange_octets();
  [[nodiscard]] Instant now() const noexcept { return context_.executor->now(); }
  [[nodiscard]] Context working() const { return context_.with_stop({}); }
  [[nodiscard]] http::ResponseHead dated(http::ResponseHead head) const;

  const Options& options_;
  const Services& services_;
  std::unique_ptr<transport::ByteStream> stream_;
  const std::string id_;
  const Context context_;
  http::ServerSession session_;
  http::RequestHead request_;
  Body body_ = Body::untouched;
  Answer answer_ = Answer::none;
  bool closed_ = false;
  std::optional<http::Fault> fault_;
  unsigned status_ = 0;
};

}  // namespace keystonemail::web
