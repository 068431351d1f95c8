// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "control/control.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <optional>
#include <utility>

#include "base/try.hpp"
#include "control/message.hpp"
#include "server/stores.hpp"

namespace keystonemail::host::control {

namespace {

constexpr auto request_timeout = std::chrono::seconds(10);
constexpr std::size_t logged_octets_max = 500;  // of a command
constexpr auto reply_timeout = std::chrono::seconds(60);
constexpr auto heartbeat = std::chrono::seconds(1);          // so often at least the server says that it is at it
constexpr auto silence_told = std::chrono::seconds(2);       // the command says that it waits
constexpr auto silence_max = std::chrono::seconds(30);       // and then gives up
constexpr auto look_first = std::chrono::milliseconds(1), look_at_most = std::chrono::milliseconds(100);

std::string socket_path(const std::string& data_directory) { return data_directory + "/control.sock"; }

AdminReply refused(const Error& error) {
  AdminReply reply;
  reply.status = 1;
  reply.error = error.text();
  return reply;
}

// What a job on another thread has come to.
class LatestStep {
 public:
  void put(const Progress::Step& step) {
    const std::lock_guard lock(mutex_);
    step_ = step;
  }
  [[nodiscard]] std::optional<Progress::Step> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(step_, std::nullopt);
  }

 private:
  std::mutex mutex_;
  std::optional<Progress::Step> step_;  // guarded by mutex_
};

// Says now and then how far the work is. It is called off when nobody listens any more.
Task<AdminReply> work(Stores& stores, transport::ByteStream& stream, AdminRequest request, Context context) {
  LatestStep latest;
  Progress progress([&latest](const Progress::Step& step) { latest.put(step); });
  request.progress = &progress;
  std::stop_source stop;
  const std::stop_callback passed_on(context.stop, [&stop] { stop.request_stop(); });
  auto task = administer(stores, std::move(request), context.with_stop(stop.get_token()));
  Instant told = context.executor->now();
  for (auto wait = look_first; !task.done(); wait = std::min(wait * 2, look_at_most)) {
    Context patience = context.with_stop({});
    co_await sleep_until(context.executor->now() + wait, std::move(patience));
    auto step = latest.take();
    if (!step && context.executor->now() - told >= heartbeat) step.emplace();
    if (!step || stop.stop_requested()) continue;
    told = context.executor->now();
    const Context until = context.until(context.executor->now() + reply_timeout);
    std::string text = encode(*step);
    const auto written = co_await write_frame(stream, std::move(text), until);
    if (!written) stop.request_stop();
  }
  co_return co_await std::move(task);
}

// What was asked for, for the log: never a password, nor what somebody writes to others.
std::string words_of(const AdminRequest& request) {
  std::string words = request.noun + " " + request.verb;
  for (const std::string& argument : request.arguments) words.append(" ").append(argument);
  for (const std::string& option : request.options) {
    const bool is_letter = request.verb == "vacation" && option.starts_with("text=");
    words.append(" --").append(is_letter ? "text" : option);
  }
  if (!request.name.empty()) words.append(" --name ").append(request.name);
  return words.substr(0, logged_octets_max);
}

bool only_looks(const AdminRequest& request) {
  if (request.verb == "quota" || request.verb == "vacation") return request.options.empty();
  if (request.verb == "limits") return request.arguments.size() == 1;
  return request.verb == "list" || request.verb == "show" || request.verb == "summary" || request.verb == "bans" || request.verb == "policies";
}

// Says that the command waits, unless it is told to stop before.
Task<void> tell_of_silence(Progress& progress, Context context) {
  co_await sleep_until(context.executor->now() + silence_told, context);
  if (context.stop.stop_requested()) co_return;
  progress.end();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(silence_max).count();
  std::fprintf(stderr, "keystone-mail: the server does not answer; waiting for it, %lld seconds at most\n", static_cast<long long>(seconds));
}

// What the server says next.
Task<Result<std::string>> hear(transport::ByteStream& stream, Progress& progress, Context context) {
  std::stop_source heard;
  auto notice = tell_of_silence(progress, context.with_stop(heard.get_token()));
  const Context until = context.until(context.executor->now() + silence_max);
  auto answer = co_await read_frame(stream, limits::reply_octets_max, until);
  heard.request_stop();
  co_await std::move(notice);
  if (!answer && answer.error().kind() == ErrorKind::timeout)
    co_return fail(ErrorKind::timeout, "the server does not answer: it is stopped or hangs. It may do what was asked for later; see whether it did");
  co_return answer;
}

Task<void> serve(Stores& stores, std::unique_ptr<transport::ByteStream> stream, Context context) {
  auto text = co_await read_frame(*stream, limits::request_octets_max, context.until(context.executor->now() + request_timeout));
  auto request = text ? decode_request(*text) : Result<AdminRequest>(std::unexpected(text.error()));
  AdminReply reply;
  if (request) {
    const std::string words = words_of(*request);
    const bool changes = !only_looks(*request);
    reply = co_await work(stores, *stream, std::move(*request), context);
    if (changes && stores.log)
      stores.log->event(LogLevel::info, "admin.done", {{"command", words}, {"status", reply.status}, {"error", reply.error}});
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

Task<Result<AdminReply>> ask(std::unique_ptr<transport::ByteStream> stream, AdminRequest request, Progress& progress,
                             Context context) {
  std::string text = encode(request);
  KM_CO_CHECK(co_await write_frame(*stream, std::move(text), context));
  for (;;) {
    KM_CO_TRY(const std::string answer, co_await hear(*stream, progress, context));
    if (const auto step = decode_step(answer)) {
      if (!step->label.empty()) progress.show(*step);
      continue;
    }
    progress.end();
    co_await stream->close(context);
    co_return decode_reply(answer);
  }
}

}  // namespace keystonemail::host::control
