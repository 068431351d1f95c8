// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Task: the coroutine type of every port and service.
//
// A task starts at once, when the function is called (eager). A call that can complete without waiting has
// completed when it returns, and awaiting it does not suspend; so a loop of any length over such calls uses
// no stack. A task that had to wait resumes its awaiter when it ends.
//
// Threads: a task lives on one thread, that of the Executor it was started on: whatever completes on another
//   thread posts to that executor first. Nothing here is synchronised.
// Ownership: the Task owns the coroutine. REQUIRES: it is done, or detached, when it is destroyed. Arguments
//   taken by reference must live until it is done.
// Errors: failure is a value, Task<Result<T>>. An exception (std::bad_alloc, or user code) is rethrown to the
//   awaiter.
#pragma once

#include <cassert>
#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace keystonemail {

template <class T>
class Task;

namespace detail {

struct FinalAwaiter {
  [[nodiscard]] bool await_ready() const noexcept { return false; }
  template <class Promise>
  [[nodiscard]] std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> handle) const noexcept {
    auto& promise = handle.promise();
    if (promise.detached) {
      handle.destroy();
      return std::noop_coroutine();
    }
    return promise.continuation ? promise.continuation : std::noop_coroutine();
  }
  void await_resume() const noexcept {}
};

struct PromiseBase {
  std::coroutine_handle<> continuation;
  std::exception_ptr exception;
  bool detached = false;

  [[nodiscard]] std::suspend_never initial_suspend() const noexcept { return {}; }
  [[nodiscard]] FinalAwaiter final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept {
    if (detached) std::terminate();  // nobody is left to hear of it
    exception = std::current_exception();
  }
};

template <class T>
struct Promise : PromiseBase {
  std::optional<T> value;
  [[nodiscard]] Task<T> get_return_object() noexcept;
  template <class U = T>  // so that `co_return {}` works
  void return_value(U&& result) {
    value.emplace(std::forward<U>(result));
  }
  [[nodiscard]] T take() {
    if (exception) std::rethrow_exception(exception);
    return *std::move(value);
  }
};

template <>
struct Promise<void> : PromiseBase {
  [[nodiscard]] Task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() const {
    if (exception) std::rethrow_exception(exception);
  }
};

}  // namespace detail

template <class T>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using value_type = T;

  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      reset();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  ~Task() { reset(); }

  [[nodiscard]] bool done() const noexcept { return !handle_ || handle_.done(); }
  // The value of a task that is done. REQUIRES: done(), and called once.
  [[nodiscard]] T take() {
    assert(handle_ && handle_.done());
    return handle_.promise().take();
  }
  // Lets the task run on with no owner. An exception that leaves it then ends the program.
  void detach() && noexcept {
    auto handle = std::exchange(handle_, nullptr);
    if (!handle) return;
    if (handle.done()) {
      if (handle.promise().exception) std::terminate();
      handle.destroy();
    } else {
      handle.promise().detached = true;
    }
  }

  [[nodiscard]] bool await_ready() const noexcept { return handle_.done(); }
  void await_suspend(std::coroutine_handle<> awaiter) noexcept { handle_.promise().continuation = awaiter; }
  T await_resume() { return handle_.promise().take(); }

 private:
  friend promise_type;
  explicit Task(std::coroutine_handle<promise_type> handle) noexcept : handle_(handle) {}
  void reset() noexcept {
    if (!handle_) return;
    assert(handle_.done());  // a task is awaited or detached, never dropped
    handle_.destroy();
    handle_ = nullptr;
  }

  std::coroutine_handle<promise_type> handle_;
};

namespace detail {
template <class T>
Task<T> Promise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<Promise>::from_promise(*this));
}
inline Task<void> Promise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<Promise>::from_promise(*this));
}
}  // namespace detail

// Pending is where one task waits for a value that a callback will bring.
//
//   Pending<int> pending;
//   start([&](int n) { pending.complete(n); });
//   int n = co_await pending;
//
// Threads: complete() is called on the waiter's thread. Ownership: it must live until awaited; it neither
// copies nor moves, as the callback holds its address.
template <class T>
class [[nodiscard]] Pending {
 public:
  Pending() = default;
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;

  // Gives the value; the waiter, when there is one, runs before this returns, so touch nothing of the Pending
  // afterwards. REQUIRES: called at most once.
  void complete(T value) {
    assert(!value_);
    value_.emplace(std::move(value));
    if (auto waiter = std::exchange(waiter_, nullptr)) waiter.resume();
  }
  [[nodiscard]] bool completed() const noexcept { return value_.has_value(); }

  [[nodiscard]] bool await_ready() const noexcept { return value_.has_value(); }
  void await_suspend(std::coroutine_handle<> waiter) noexcept { waiter_ = waiter; }
  [[nodiscard]] T await_resume() { return *std::move(value_); }

 private:
  std::optional<T> value_;
  std::coroutine_handle<> waiter_;
};

}  // namespace keystonemail
