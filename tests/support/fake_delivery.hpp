// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// FakeDelivery: keeps what it is given, in memory, and can be made to fail at each of its calls.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "keystonemail/delivery/delivery.hpp"

namespace keystonemail::test {

class FakeDelivery final : public delivery::Delivery {
 public:
  struct Delivered {
    std::string message;
    std::vector<delivery::LocalRecipient> local;
    std::optional<queue::NewEntry> remote;
    queue::History history;
  };
  std::vector<Delivered> delivered;         // what comes together with another, behind it
  std::vector<queue::History> noted;
  std::size_t commits = 0;                  // what comes together is one
  std::optional<Error> fail_create, fail_write, fail_read, fail_finish, fail_deliver;
  std::set<mailstore::AccountId> full;      // accounts over quota

  Result<std::unique_ptr<mailstore::MessageWriter>> create_message() override {
    if (fail_create) return std::unexpected(*fail_create);
    return std::make_unique<Writer>(*this);
  }
  kv::Store* store = nullptr;               // where what is written along goes; needed when something is
  Task<Result<delivery::Accepted>> deliver(delivery::Submission submission, Context context) override {
    if (fail_deliver) co_return std::unexpected(*fail_deliver);
    for (const auto& recipient : submission.local) {
      if (full.contains(recipient.account)) co_return fail(ErrorKind::over_quota);
    }
    if (submission.also) {
      const auto also = co_await store->transact(submission.also, {}, context);
      if (!also) co_return std::unexpected(also.error());
    }
    delivery::Accepted accepted;
    for (std::size_t i = 0; i < submission.local.size(); ++i) accepted.local.push_back(mailstore::EmailId{++last_id_});
    if (submission.remote) accepted.queued = queue::EntryId{++last_id_};
    ++commits;
    keep(submission);
    for (const auto& other : submission.together) {
      if (other.condition) {
        const auto holds = co_await store->transact(other.condition, {}, context);
        if (!holds && holds.error().kind() != ErrorKind::conflict) co_return std::unexpected(holds.error());
        if (!holds) {
          accepted.left_out.push_back(accepted.together.size());
          accepted.together.emplace_back();
          continue;
        }
      }
      accepted.together.push_back(other.remote ? std::optional(queue::EntryId{++last_id_}) : std::nullopt);
      keep(other);
    }
    co_return accepted;
  }
  Task<Result<bool>> has_room(mailstore::AccountId account, std::uint64_t, Context) override {
    co_return !refuse_early || !full.contains(account);
  }
  Task<Result<void>> note(queue::History history, Context) override {
    noted.push_back(std::move(history));
    co_return Result<void>();
  }
  bool refuse_early = true;

 private:
  void keep(const delivery::Submission& one) {
    delivered.push_back({static_cast<Staged&>(*one.message).content, one.local, one.remote, one.history});
  }

  struct Staged final : mailstore::StagedMessage {
    explicit Staged(std::string text) : content(std::move(text)) {}
    [[nodiscard]] std::uint64_t octets() const noexcept override { return content.size(); }
    std::string content;
  };
  struct Writer final : mailstore::MessageWriter {
    explicit Writer(FakeDelivery& owner) : delivery(owner) {}
    Task<Result<void>> write(std::string_view piece, Context) override {
      if (delivery.fail_write) co_return std::unexpected(*delivery.fail_write);
      content.append(piece);
      co_return {};
    }
    Result<void> read(std::uint64_t offset, std::size_t octets, std::string& out) const override {
      if (delivery.fail_read) return std::unexpected(*delivery.fail_read);
      if (offset < content.size()) out.append(content, offset, octets);
      return {};
    }
    Task<Result<std::unique_ptr<mailstore::StagedMessage>>> finish(Context) override {
      if (delivery.fail_finish) co_return std::unexpected(*delivery.fail_finish);
      co_return std::make_unique<Staged>(std::move(content));
    }
    FakeDelivery& delivery;
    std::string content;
  };
  std::uint64_t last_id_ = 0;
};

}  // namespace keystonemail::test
