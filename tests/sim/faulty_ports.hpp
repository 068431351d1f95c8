// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Ports that are late and fail by seed: a directory, a delivery and a kv store whose calls take time. And ports that
// are broken on purpose, to show that the simulation notices.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "keystonemail/base/random.hpp"
#include "keystonemail/blob/blob.hpp"
#include "keystonemail/delivery/delivery.hpp"
#include "keystonemail/directory/directory.hpp"
#include "keystonemail/kv/kv.hpp"
#include "keystonemail/service/mailstore/kv_mail_store.hpp"

namespace keystonemail::sim {

// How late calls are, and how often they fail.
struct PortWeather {
  std::uint64_t fail_one_in = 0;  // 0: never
  bool dead = false;              // all calls fail: the machine is going down
  std::chrono::milliseconds delay_max{0};
  SeededRandom random{1};

  [[nodiscard]] bool strikes() { return dead || (fail_one_in != 0 && random.below(fail_one_in) == 0); }
  [[nodiscard]] Task<void> pass(Context context) {
    if (delay_max.count() == 0 || random.below(2) == 0) co_return;
    const std::chrono::milliseconds delay(random.below(static_cast<std::uint64_t>(delay_max.count()) + 1));
    context.stop = {};  // the call itself decides whether it is called off
    co_await sleep_until(context.executor->now() + delay, context);
  }
  [[nodiscard]] static std::unexpected<Error> failure() { return fail(ErrorKind::unavailable, "try later", "injected fault"); }
};

class WeatheredDirectory final : public directory::Directory {
 public:
  WeatheredDirectory(directory::Directory& inner, PortWeather& weather) : inner_(inner), weather_(weather) {}

  Task<Result<bool>> is_local_domain(std::string_view domain, Context context) override {
    co_await weather_.pass(context);
    if (weather_.strikes()) co_return weather_.failure();
    co_return co_await inner_.is_local_domain(domain, context);
  }
  Task<Result<directory::Resolution>> resolve(std::string_view address, Context context) override {
    co_await weather_.pass(context);
    if (weather_.strikes()) co_return weather_.failure();
    co_return co_await inner_.resolve(address, context);
  }
  Task<Result<directory::Authenticated>> authenticate(directory::PasswordAttempt attempt, Context context) override {
    co_await weather_.pass(context);
    if (weather_.strikes()) co_return weather_.failure();
    co_return co_await inner_.authenticate(std::move(attempt), context);
  }
  Task<Result<std::vector<ScramCredential>>> scram_credentials(std::string_view login, crypto::Hash hash, std::string_view service,
                                                               Context context) override {
    co_await weather_.pass(context);
    if (weather_.strikes()) co_return weather_.failure();
    co_return co_await inner_.scram_credentials(login, hash, service, context);
  }
  Task<Result<directory::Account>> find_account(std::string_view login, Context context) override {
    co_await weather_.pass(context);
    if (weather_.strikes()) co_return weather_.failure();
    co_return co_await inner_.find_account(login, context);
  }
  Task<Result<bool>> may_send_as(directory::AccountId account, std::string_view address, Context context) override {
    co_await weather_.pass(context);
    if (weather_.strikes()) co_return weather_.failure();
    co_return co_await inner_.may_send_as(account, address, context);
  }
  Task<Result<std::optional<directory::Absence>>> absence(directory::AccountId account, Context context) override {
    co_await weather_.pass(context);
    if (weather_.strikes()) co_return weather_.failure();
    co_return co_await inner_.absence(account, context);
  }

 private:
  directory::Directory& inner_;
  PortWeather& weather_;
};

// Bugs to be caught.
enum class Bug : std::uint8_t {
  none,
  acknowledges_early,   // says yes before the commit
  delivers_twice,
  forgets_a_recipient,  // of several
  damages_content,
  forgets_commits,      // kv: an operation in fifty is not done
  forgets_settlements,  // queue: that a recipient has it is not noted
  drops_entries,        // queue: an entry goes with its first recipient
  forgets_wishes,       // queue: that a sender wants to hear of success
  invents_denials,      // resolver: what cannot be asked is not there
  sends_in_the_clear,   // relay: though it should ask for TLS
  seals_wrongly,        // forwarder: with a key that is not the one in the DNS
  ignores_dane,         // relay: TLSA records
  ignores_policies,     // relay: MTA-STS
  enforces_tests,       // relay: policies that are in testing
  forgets_require_tls,  // queue: that the sender demands it
};

class WeatheredDelivery final : public delivery::Delivery {
 public:
  WeatheredDelivery(delivery::Delivery& inner, PortWeather& weather, Bug bug) : inner_(inner), weather_(weather), bug_(bug) {}

  Result<std::unique_ptr<mailstore::MessageWriter>> create_message() override {
    if (weather_.strikes()) return weather_.failure();
    auto writer = inner_.create_message();
    if (!writer || bug_ != Bug::damages_content) return writer;
    return std::make_unique<DamagingWriter>(*std::move(writer));
  }
  Task<Result<delivery::Accepted>> deliver(delivery::Submission submission, Context context) override {
    co_await weather_.pass(context);
    if (weather_.strikes()) co_return weather_.failure();
    if (bug_ == Bug::acknowledges_early) {
      delivery::Accepted accepted;
      accepted.local.resize(submission.local.size());
      inner_.deliver(std::move(submission), context).detach();
      co_return accepted;
    }
    if (bug_ == Bug::forgets_wishes && submission.remote) {
      for (auto& recipient : submission.remote->recipients) recipient.notify.success = false;
    }
    if (bug_ == Bug::forgets_a_recipient && submission.local.size() > 1) submission.local.pop_back();
    if (bug_ == Bug::delivers_twice) {
      delivery::Submission again = submission;
      (void)co_await inner_.deliver(std::move(again), context);
    }
    auto result = co_await inner_.deliver(std::move(submission), context);
    co_await weather_.pass(context);
    co_return result;
  }
  Task<Result<bool>> has_room(mailstore::AccountId account, std::uint64_t octets, Context context) override {
    co_await weather_.pass(context);
    if (weather_.strikes()) co_return weather_.failure();
    co_return co_await inner_.has_room(account, octets, context);
  }

 private:
  class DamagingWriter final : public mailstore::MessageWriter {
   public:
    explicit DamagingWriter(std::unique_ptr<mailstore::MessageWriter> inner) : inner_(std::move(inner)) {}
    Task<Result<void>> write(std::string_view piece, Context context) override {
      std::string copy(piece);
      if (const auto x = copy.rfind('x'); x != std::string::npos) copy[x] = 'y';
      co_return co_await inner_->write(copy, context);
    }
    Result<void> read(std::uint64_t offset, std::size_t octets, std::string& out) const override {
      return inner_->read(offset, octets, out);
    }
    Task<Result<std::unique_ptr<mailstore::StagedMessage>>> finish(Context context) override {
      return inner_->finish(std::move(context));
    }

   private:
    std::unique_ptr<mailstore::MessageWriter> inner_;
  };

  delivery::Delivery& inner_;
  PortWeather& weather_;
  Bug bug_;
};

// A kv store whose transactions and snapshots take time. Faults come from kv::make_faulty.
class WeatheredKv final : public kv::Store {
 public:
  WeatheredKv(kv::Store& inner, PortWeather& weather, Bug bug) : inner_(inner), weather_(weather), bug_(bug) {}

  Task<Result<std::unique_ptr<kv::Snapshot>>> snapshot(Context context) override {
    co_await weather_.pass(context);
    co_return co_await inner_.snapshot(std::move(context));
  }
  Task<Result<void>> transact(kv::Operation operation, kv::TransactOptions options, Context context) override {
    co_await weather_.pass(context);
    if (weather_.dead) co_return weather_.failure();
    if (bug_ == Bug::forgets_commits && weather_.random.below(50) == 0) co_return co_await forget(operation, options, context);
    auto result = co_await inner_.transact(std::move(operation), options, context);
    co_await weather_.pass(context);
    co_return result;
  }
  std::string_view format_id() const noexcept override { return inner_.format_id(); }

 private:
  // Runs it for its results and throws them away.
  Task<Result<void>> forget(const kv::Operation& operation, kv::TransactOptions options, Context context) {
    std::optional<Result<void>> outcome;
    kv::Operation undone = [&](kv::Transaction& t) -> Task<Result<void>> {
      outcome = co_await operation(t);
      co_return fail(ErrorKind::internal);
    };
    (void)co_await inner_.transact(std::move(undone), options, std::move(context));
    co_return *outcome;
  }

  kv::Store& inner_;
  PortWeather& weather_;
  Bug bug_;
};

// A blob store where it takes time until something is staged. Faults come from blob::make_faulty.
class WeatheredBlobs final : public blob::Store {
 public:
  WeatheredBlobs(blob::Store& inner, PortWeather& weather) : inner_(inner), weather_(weather) {}

  Result<std::unique_ptr<blob::Writer>> create() override { return inner_.create(); }
  Result<std::unique_ptr<blob::Spool>> create_spool() override { return inner_.create_spool(); }
  Task<Result<std::unique_ptr<blob::Staged>>> stage(std::string_view content, Context context, blob::Place place) override {
    co_await weather_.pass(context);
    if (weather_.dead) co_return weather_.failure();
    co_return co_await inner_.stage(content, std::move(context), place);
  }
  Task<Result<void>> add_reference(kv::Transaction& transaction, const blob::Staged& staged) override {
    return inner_.add_reference(transaction, staged);
  }
  Task<Result<void>> add_reference(kv::Transaction& transaction, const blob::BlobId& id) override { return inner_.add_reference(transaction, id); }
  Task<Result<void>> release(kv::Transaction& transaction, const blob::BlobId& id) override { return inner_.release(transaction, id); }
  Task<Result<std::string>> read(kv::Reader& reader, const blob::BlobId& id, std::uint64_t offset, std::size_t octets_max) override {
    return inner_.read(reader, id, offset, octets_max);
  }
  kv::Barrier* barrier() noexcept override { return inner_.barrier(); }

 private:
  blob::Store& inner_;
  PortWeather& weather_;
};

// Now and then a store lays messages of a few KB aside, and has room to take only some of them apart at a time.
inline void draw_staging(service::MailStoreOptions& options, SeededRandom& random) {
  if (random.below(3) != 0) return;
  options.spool_octets_min = 1 + random.below(4'000);
  options.staging_octets_max = 10'000;
}

}  // namespace keystonemail::sim
