// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/blob/faulty.hpp"

#include <utility>

#include "base/try.hpp"

namespace keystonemail::blob {
namespace {

using kv::Call;

class FaultyWriter final : public Writer {
 public:
  FaultyWriter(std::unique_ptr<Writer> inner, kv::Faults& faults) : inner_(std::move(inner)), faults_(faults) {}

  Task<Result<void>> write(std::string_view piece, Context context) override {
    if (auto fault = faults_.next(Call::blob_write)) co_return std::unexpected(*std::move(fault));
    co_return co_await inner_->write(piece, std::move(context));
  }
  Task<Result<std::unique_ptr<Staged>>> finish(Context context) override {
    if (auto fault = faults_.next(Call::blob_finish)) co_return std::unexpected(*std::move(fault));
    co_return co_await inner_->finish(std::move(context));
  }

 private:
  std::unique_ptr<Writer> inner_;
  kv::Faults& faults_;
};

class FaultySpool final : public Spool {
 public:
  FaultySpool(std::unique_ptr<Spool> inner, kv::Faults& faults) : inner_(std::move(inner)), faults_(faults) {}

  Result<void> write(std::string_view piece) override {
    if (auto fault = faults_.next(Call::blob_write)) return std::unexpected(*std::move(fault));
    return inner_->write(piece);
  }
  Result<void> read(std::uint64_t offset, std::size_t octets, std::string& out) const override {
    if (auto fault = faults_.next(Call::blob_read)) return std::unexpected(*std::move(fault));
    return inner_->read(offset, octets, out);
  }
  std::uint64_t octets() const noexcept override { return inner_->octets(); }

 private:
  std::unique_ptr<Spool> inner_;
  kv::Faults& faults_;
};

class FaultyBarrier final : public kv::Barrier {
 public:
  FaultyBarrier(kv::Barrier* inner, kv::Faults& faults) : inner_(inner), faults_(faults) {}
  Result<void> sync() override {
    if (auto fault = faults_.next(Call::blob_sync)) return std::unexpected(*std::move(fault));
    return inner_->sync();
  }

 private:
  kv::Barrier* inner_;
  kv::Faults& faults_;
};

class FaultyStore final : public Store {
 public:
  FaultyStore(Store& inner, kv::Faults& faults) : inner_(inner), faults_(faults), barrier_(inner.barrier(), faults) {}

  Result<std::unique_ptr<Writer>> create() override {
    KM_TRY(auto inner, inner_.create());
    return std::make_unique<FaultyWriter>(std::move(inner), faults_);
  }
  Result<std::unique_ptr<Spool>> create_spool() override {
    KM_TRY(auto inner, inner_.create_spool());
    return std::make_unique<FaultySpool>(std::move(inner), faults_);
  }
  Task<Result<std::unique_ptr<Staged>>> stage(std::string_view content, Context context, Place place) override {
    if (auto fault = faults_.next(Call::blob_stage)) co_return std::unexpected(*std::move(fault));
    co_return co_await inner_.stage(content, std::move(context), place);
  }
  Task<Result<void>> add_reference(kv::Transaction& transaction, const Staged& staged) override {
    if (auto fault = faults_.next(Call::blob_add_reference)) co_return std::unexpected(*std::move(fault));
    co_return co_await inner_.add_reference(transaction, staged);
  }
  Task<Result<void>> add_reference(kv::Transaction& transaction, const BlobId& id) override {
    if (auto fault = faults_.next(Call::blob_add_reference)) co_return std::unexpected(*std::move(fault));
    co_return co_await inner_.add_reference(transaction, id);
  }
  Task<Result<void>> release(kv::Transaction& transaction, const BlobId& id) override {
    if (auto fault = faults_.next(Call::blob_release)) co_return std::unexpected(*std::move(fault));
    co_return co_await inner_.release(transaction, id);
  }
  Task<Result<std::string>> read(kv::Reader& reader, const BlobId& id, std::uint64_t offset,
                                 std::size_t octets_max) override {
    if (auto fault = faults_.next(Call::blob_read)) co_return std::unexpected(*std::move(fault));
    co_return co_await inner_.read(reader, id, offset, octets_max);
  }
  kv::Barrier* barrier() noexcept override { return inner_.barrier() == nullptr ? nullptr : &barrier_; }

 private:
  Store& inner_;
  kv::Faults& faults_;
  FaultyBarrier barrier_;
};

}  // namespace

std::unique_ptr<Store> make_faulty(Store& inner, kv::Faults& faults) { return std::make_unique<FaultyStore>(inner, faults); }

}  // namespace keystonemail::blob
