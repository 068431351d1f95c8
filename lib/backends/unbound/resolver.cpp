// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/backends/unbound/resolver.hpp"

#include <sys/eventfd.h>

#include <algorithm>
#include <atomic>
#include <stop_token>

#include "backends/unbound/settings.hpp"
#include "backends/unbound/worker.hpp"
#include "base/try.hpp"

namespace keystonemail::unbound {
namespace {

class UnboundResolver final : public resolver::Resolver {
 public:
  UnboundResolver(ContextPointer context, int wake_fd, const Options& options)
      : worker_(std::move(context), wake_fd), timeout_(options.timeout), calls_max_(options.calls_max) {}

  Task<Result<dns::Answer>> resolve(dns::Question question, Context context) override {
    if (context.stop.stop_requested()) co_return fail(ErrorKind::cancelled);
    if (calls_.fetch_add(1) >= calls_max_) {
      calls_.fetch_sub(1);
      co_return fail(ErrorKind::unavailable, {}, "too many DNS lookups at a time");
    }
    Pending<Call::Outcome> pending;
    const auto call = std::make_shared<Call>(std::move(question), *context.executor, pending);
    const auto timer = start_timer(call, context);
    const auto on_stop = [call, executor = context.executor] {
      executor->post([call] { call->finish(fail(ErrorKind::cancelled)); });
    };
    const std::stop_callback stopped(context.stop, on_stop);
    worker_.ask(call);
    auto outcome = co_await pending;
    context.executor->cancel_timer(timer);
    call->abandon();
    calls_.fetch_sub(1);
    const bool unanswered = !outcome || outcome->status == dns::AnswerStatus::timeout;
    if (unanswered) worker_.give_up(call);
    co_return outcome;
  }

 private:
  // The nearer of the context's end, which is the caller's affair, and our own, which is the DNS's.
  Executor::TimerId start_timer(const std::shared_ptr<Call>& call, const Context& context) const {
    const Instant ours = context.executor->now() + timeout_;
    const bool is_ours = ours < context.deadline;
    return context.executor->start_timer(std::min(ours, context.deadline), [call, is_ours] {
      if (is_ours) call->finish(dns::Answer::none(dns::AnswerStatus::timeout, call->question.name));
      else call->finish(fail(ErrorKind::timeout));
    });
  }

  Worker worker_;
  const std::chrono::milliseconds timeout_;
  const std::size_t calls_max_;
  std::atomic<std::size_t> calls_ = 0;
};

}  // namespace

Result<std::unique_ptr<resolver::Resolver>> open_resolver(Options options) {
  ContextPointer context(ub_ctx_create());
  if (!context) return fail(ErrorKind::unavailable, "the DNS resolver cannot be started");
  KM_CHECK(apply_settings(*context, options));
  const int wake_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd < 0) return fail(ErrorKind::unavailable, "the DNS resolver cannot be started", "eventfd");
  return std::make_unique<UnboundResolver>(std::move(context), wake_fd, options);
}

}  // namespace keystonemail::unbound
