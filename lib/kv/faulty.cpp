// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/kv/faulty.hpp"

#include <utility>

#include "base/try.hpp"

namespace keystonemail::kv {
namespace {

// Scrambles the number of a call into its chance (the finaliser of splitmix64).
std::uint64_t scramble(std::uint64_t x) noexcept {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

class FaultySnapshot final : public Snapshot {
 public:
  FaultySnapshot(std::unique_ptr<Snapshot> inner, Faults& faults) : inner_(std::move(inner)), faults_(faults) {}

  Task<Result<std::optional<std::string_view>>> get(Table table, std::string_view key) override {
    if (auto fault = faults_.next(Call::get)) co_return std::unexpected(*std::move(fault));
    co_return co_await inner_->get(table, key);
  }
  Task<Result<std::vector<Row>>> scan(Table table, Range range) override {
    if (auto fault = faults_.next(Call::scan)) co_return std::unexpected(*std::move(fault));
    co_return co_await inner_->scan(table, range);
  }

 private:
  std::unique_ptr<Snapshot> inner_;
  Faults& faults_;
};

class FaultyTransaction final : public Transaction {
 public:
  FaultyTransaction(Transaction& inner, Faults& faults) : inner_(inner), faults_(faults) {}

  Task<Result<std::optional<std::string_view>>> get(Table table, std::string_view key) override {
    if (auto fault = faults_.next(Call::get)) co_return std::unexpected(*std::move(fault));
    co_return co_await inner_.get(table, key);
  }
  Task<Result<std::vector<Row>>> scan(Table table, Range range) override {
    if (auto fault = faults_.next(Call::scan)) co_return std::unexpected(*std::move(fault));
    co_return co_await inner_.scan(table, range);
  }
  void put(Table table, std::string_view key, std::string_view value) override {
    if (passes(Call::put)) inner_.put(table, key, value);
  }
  void erase(Table table, std::string_view key) override {
    if (passes(Call::erase)) inner_.erase(table, key);
  }
  [[nodiscard]] const std::optional<Error>& failure() const noexcept { return failure_; }

 private:
  bool passes(Call call) {
    if (!failure_) failure_ = faults_.next(call);
    return !failure_;
  }
  Transaction& inner_;
  Faults& faults_;
  std::optional<Error> failure_;
};

class FaultyStore final : public Store {
 public:
  FaultyStore(Store& inner, Faults& faults) : inner_(inner), faults_(faults) {}

  Task<Result<std::unique_ptr<Snapshot>>> snapshot(Context context) override {
    if (auto fault = faults_.next(Call::snapshot)) co_return std::unexpected(*std::move(fault));
    KM_CO_TRY(auto inner, co_await inner_.snapshot(std::move(context)));
    co_return std::make_unique<FaultySnapshot>(std::move(inner), faults_);
  }

  Task<Result<void>> transact(Operation operation, TransactOptions options, Context context) override {
    if (auto fault = faults_.next(Call::transact)) co_return std::unexpected(*std::move(fault));
    Operation watched = [&](Transaction& transaction) { return run(operation, transaction, faults_); };
    co_return co_await inner_.transact(std::move(watched), options, std::move(context));
  }

  std::string_view format_id() const noexcept override { return inner_.format_id(); }

 private:
  static Task<Result<void>> run(const Operation& operation, Transaction& transaction, Faults& faults) {
    FaultyTransaction faulty(transaction, faults);
    KM_CO_CHECK(co_await operation(faulty));
    if (faulty.failure()) co_return std::unexpected(*faulty.failure());
    if (auto fault = faults.next(Call::commit)) co_return std::unexpected(*std::move(fault));
    co_return Result<void>();
  }

  Store& inner_;
  Faults& faults_;
};

}  // namespace

void Faults::fail_at(std::uint64_t nth, Repeat repeat, ErrorKind kind) {
  const std::lock_guard lock(mutex_);
  fail_at_ = nth == 0 ? 0 : calls_ + nth;
  repeat_ = repeat;
  kind_ = kind;
}

void Faults::fail_by_seed(std::uint64_t seed, std::uint64_t one_in, ErrorKind kind) {
  const std::lock_guard lock(mutex_);
  seed_ = seed;
  one_in_ = one_in;
  kind_ = kind;
}

void Faults::watch(std::set<Call> calls) {
  const std::lock_guard lock(mutex_);
  watched_ = std::move(calls);
}

void Faults::clear() {
  const std::lock_guard lock(mutex_);
  fail_at_ = 0;
  one_in_ = 0;
}

std::uint64_t Faults::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

std::uint64_t Faults::failed() const {
  const std::lock_guard lock(mutex_);
  return failed_;
}

std::optional<Error> Faults::next(Call call) {
  const std::lock_guard lock(mutex_);
  if (!watched_.empty() && !watched_.contains(call)) return std::nullopt;
  ++calls_;
  const bool by_count = fail_at_ != 0 && (repeat_ == Repeat::sticky ? calls_ >= fail_at_ : calls_ == fail_at_);
  const bool by_seed = one_in_ != 0 && scramble(seed_ ^ calls_ * 0x9e3779b97f4a7c15) % one_in_ == 0;
  if (!by_count && !by_seed) return std::nullopt;
  ++failed_;
  return Error(kind_, "storage is not available", "injected fault");
}

std::unique_ptr<Store> make_faulty(Store& inner, Faults& faults) { return std::make_unique<FaultyStore>(inner, faults); }

}  // namespace keystonemail::kv
