// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/unbound/worker.hpp"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cassert>
#include <cerrno>
#include <cstdint>
#include <string>

#include "keystonemail/dns/message.hpp"
#include "keystonemail/resolver/resolver.hpp"

namespace keystonemail::unbound {
namespace {

constexpr int class_internet = 1;

struct DeleteResult {
  void operator()(ub_result* result) const noexcept { ub_resolve_free(result); }
};

// libunbound gives the whole response, which is read by our own parser (D13). Without one there is only its code.
dns::Answer read_result(const ub_result& result, const dns::Question& question) {
  using dns::AnswerStatus;
  if (result.bogus != 0) return dns::Answer::none(AnswerStatus::bogus, question.name);
  if (result.answer_packet == nullptr || result.answer_len <= 0) {
    constexpr int refused = 5;
    return dns::Answer::none(result.rcode == refused ? AnswerStatus::refused : AnswerStatus::server_failure, question.name);
  }
  const std::string_view packet(static_cast<const char*>(result.answer_packet), static_cast<std::size_t>(result.answer_len));
  dns::Answer answer = resolver::limit_answer(dns::parse_response(packet, question));
  answer.authenticated = result.secure != 0 && !dns::is_temporary(answer.status);
  return answer;
}

// Signals are for the program's threads, not for ours and those that libunbound makes from it.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

Worker::Worker(ContextPointer context, int wake_fd) : context_(std::move(context)), wake_fd_(wake_fd) {
  const SignalsBlocked blocked;
  thread_ = std::thread([this] { run(); });
}

Worker::~Worker() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake();
  thread_.join();
  ::close(wake_fd_);
}

void Worker::ask(std::shared_ptr<Call> call) { push({std::move(call), true}); }
void Worker::give_up(std::shared_ptr<Call> call) { push({std::move(call), false}); }

void Worker::push(Order order) {
  {
    const std::lock_guard lock(mutex_);
    orders_.push_back(std::move(order));
  }
  wake();
}

void Worker::wake() const {
  const std::uint64_t one = 1;
  while (::write(wake_fd_, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

bool Worker::wait() const {
  std::array<pollfd, 2> watched{pollfd{ub_fd(context_.get()), POLLIN, 0}, pollfd{wake_fd_, POLLIN, 0}};
  if (::poll(watched.data(), watched.size(), -1) < 0) return false;  // interrupted: look again
  if (watched[1].revents != 0) {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto octets = ::read(wake_fd_, &count, sizeof count);
  }
  return watched[0].revents != 0;
}

void Worker::run() {
  for (;;) {
    if (wait()) ub_process(context_.get());
    std::vector<Order> orders;
    {
      const std::lock_guard lock(mutex_);
      if (ending_) return;
      orders.swap(orders_);
    }
    for (auto& order : orders) {
      if (order.is_question) begin(std::move(order.call));
      else cancel(order.call);
    }
    std::erase_if(under_way_, [](const auto& row) { return row.second->async_id < 0; });
  }
}

void Worker::begin(std::shared_ptr<Call> call) {
  const std::string name = call->question.name.is_root() ? "." : call->question.name.text() + ".";
  Call* const key = call.get();
  under_way_.emplace(key, call);
  const int status = ub_resolve_async(context_.get(), name.c_str(), static_cast<int>(call->question.type), class_internet,
                                      key, &Worker::on_answer, &key->async_id);
  if (status == UB_NOERROR) return;
  under_way_.erase(key);
  call->deliver(dns::Answer::none(dns::AnswerStatus::server_failure, call->question.name));
}

// What libunbound has answered already is not cancelled: its callback has run, or will.
void Worker::cancel(const std::shared_ptr<Call>& call) {
  if (!under_way_.contains(call.get())) return;
  if (ub_cancel(context_.get(), call->async_id) == UB_NOERROR) under_way_.erase(call.get());
}

// Called from ub_process() on the worker's thread.
void Worker::on_answer(void* of, int error, ub_result* result) {
  const std::unique_ptr<ub_result, DeleteResult> owned(result);
  auto& call = *static_cast<Call*>(of);
  const bool has_result = error == UB_NOERROR && result != nullptr;
  call.deliver(has_result ? read_result(*result, call.question)
                          : dns::Answer::none(dns::AnswerStatus::server_failure, call.question.name));
  call.async_id = -1;  // run() lets go of it
}

}  // namespace keystonemail::unbound
