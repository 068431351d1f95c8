// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "server/upkeep.hpp"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <utility>

namespace keystonemail::host {

namespace {

constexpr auto collect_interval = std::chrono::seconds(5);
constexpr int lower_priority = 10;

// Signals are for the program's own threads; processors first for those who wait for an answer.
void prepare_thread() {
  sigset_t set;
  sigfillset(&set);
  for (const int raised : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) sigdelset(&set, raised);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  (void)setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), lower_priority);
}

}  // namespace

Upkeep::Upkeep(segments::BlobStore& blobs, Log& log) : blobs_(blobs), log_(log), thread_([this] { work(); }) {}

Upkeep::~Upkeep() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  asked_.notify_one();
}

Task<void> Upkeep::run(Job job, Context context) {
  Request request{std::move(job), std::move(context)};
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(&request);
  }
  asked_.notify_one();
  (void)co_await request.done;
}

void Upkeep::work() {
  prepare_thread();
  RunLoop loop;
  for (;;) {
    Request* request = wait();
    if (request == nullptr) {
      if (const std::lock_guard lock(mutex_); ending_) return;
      collect(loop);
      continue;
    }
    loop.run_until(request->job(Context(&loop, request->context.stop, request->context.deadline)));
    request->context.executor->post([request] { request->done.complete(0); });
  }
}

// The next request; nothing when it is time to collect, or to end.
Upkeep::Request* Upkeep::wait() {
  std::unique_lock lock(mutex_);
  asked_.wait_for(lock, collect_interval, [this] { return ending_ || !requests_.empty(); });
  if (requests_.empty()) return nullptr;
  Request* request = requests_.front();
  requests_.pop_front();
  return request;
}

void Upkeep::collect(RunLoop& loop) {
  const auto report = loop.run_until(blobs_.collect(Context(&loop)));
  if (!report && !std::exchange(is_failing_, true))
    log_.event(LogLevel::warning, "upkeep.collect_failed", {{"error", report.error().describe()}});
  if (!report) return;
  is_failing_ = false;
  if (report->segments_emptied + report->segments_removed > 0)
    log_.event(LogLevel::info, "upkeep.collected", {{"segments_emptied", report->segments_emptied},
               {"segments_removed", report->segments_removed}, {"octets_moved", report->octets_moved}});
}

}  // namespace keystonemail::host
