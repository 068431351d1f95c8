// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "control/control.hpp"

#include <utility>

#include "base/try.hpp"
#include "control/message.hpp"

namespace keystonemail::host::control {

namespace {

constexpr auto request_timeout = std::chrono::seconds(10);
constexpr auto reply_timeout = std::chrono::seconds(60);

std::string socket_path(const std::string& data_directory) { return data_directory + "/control.sock"; }

AdminReply refused(const Error& error) {
  AdminReply reply;
  reply.status = 1;
  reply.error = error.text();
  return reply;
}

Task<void> serve(Stores& stores, std::unique_ptr<transport::ByteStream> stream, Context context) {
  auto text = co_await read_frame(*stream, limits::request_octets_max, context.until(context.executor->now() + request_timeout));
  auto request = text ? decode_request(*text) : Result<AdminRequest>(std::unexpected(text.error()));
  AdminReply reply;
  if (request) {
    reply = co_await administer(stores, std::move(*request), context);
  } else {
    reply = refused(request.error());
  }
  const Context until = context.until(context.executor->now() + reply_timeout);
  std::string answer = encode(reply);
  const auto written = co_await write_frame(*stream, std::move(answer), until);
  if (written) co_await stream->close(until);
}

}  // namespace

Result<std::unique_ptr<transport::Listener>> listen(libuv::UvLoop& loop, const std::string& data_directory, Stores& stores) {
  return loop.listen_local(socket_path(data_directory), [&stores](std::unique_ptr<transport::ByteStream> stream, Context context) {
    return serve(stores, std::move(stream), std::move(context));
  });
}

Result<std::unique_ptr<transport::ByteStream>> connect(libuv::UvLoop& loop, const std::string& data_directory) {
  return loop.connect_local(socket_path(data_directory));
}

Task<Result<AdminReply>> ask(std::unique_ptr<transport::ByteStream> stream, AdminRequest request, Context context) {
  std::string text = encode(request);
  KM_CO_CHECK(co_await write_frame(*stream, std::move(text), context));
  KM_CO_TRY(const std::string answer, co_await read_frame(*stream, limits::reply_octets_max, context));
  co_await stream->close(context);
  co_return decode_reply(answer);
}

}  // namespace keystonemail::host::control
