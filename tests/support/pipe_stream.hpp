// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// FaultyStream: a connection that is cut, slow, or delivers in odd pieces, as its seed says. Put it round an end of
// a transport::Pipe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "keystonemail/base/random.hpp"
#include "keystonemail/transport/pipe.hpp"

namespace keystonemail::test {

struct StreamFaults {
  std::optional<std::uint64_t> cut_read_at;   // after so many octets read, reads and writes fail and the peer is reset
  std::optional<std::uint64_t> cut_write_at;  // the same for octets written
  std::size_t read_octets_max = SIZE_MAX;     // a read returns at most so many
  std::size_t write_octets_max = SIZE_MAX;    // a write is passed on in pieces of so many
  bool random_sizes = false;                  // pieces are of 1 to those many octets, by the seed
  std::chrono::milliseconds read_delay_max{0};   // before each read, by the seed
  std::chrono::milliseconds write_delay_max{0};  // before each piece written
  std::uint64_t seed = 1;
  std::function<void()> progress = {};  // called whenever octets went by; may be empty
};

class FaultyStream final : public transport::ByteStream {
 public:
  FaultyStream(std::unique_ptr<transport::ByteStream> inner, StreamFaults faults)
      : inner_(std::move(inner)), faults_(std::move(faults)), random_(faults.seed), peer_(inner_->peer()), local_(inner_->local()) {}

  Task<Result<std::string_view>> read(Context context) override {
    if (unconsumed() > 0) co_return view_;
    if (!inner_) co_return cut();
    co_await pause(faults_.read_delay_max, context);
    auto whole = co_await inner_->read(context);
    if (!whole) co_return std::move(whole);
    std::size_t octets = std::min(whole->size(), size(faults_.read_octets_max));
    if (faults_.cut_read_at) octets = std::min<std::uint64_t>(octets, *faults_.cut_read_at - read_);
    if (octets == 0 && !whole->empty()) co_return cut();
    view_ = whole->substr(0, octets);
    note_progress();
    co_return view_;
  }
  void consume(std::size_t octets) noexcept override {
    if (!inner_) return;  // cut, and so is what had been read
    view_.remove_prefix(octets);
    read_ += octets;
    inner_->consume(octets);
  }
  [[nodiscard]] std::size_t unconsumed() const noexcept override { return view_.size(); }

  Task<Result<void>> write(std::span<const std::string_view> pieces, Context context) override {
    std::string all;
    for (std::string_view piece : pieces) all += piece;
    for (std::string_view left = all; !left.empty();) {
      if (!inner_) co_return cut();
      co_await pause(faults_.write_delay_max, context);
      std::size_t octets = std::min(left.size(), size(faults_.write_octets_max));
      if (faults_.cut_write_at) octets = std::min<std::uint64_t>(octets, *faults_.cut_write_at - written_);
      if (octets == 0) co_return cut();
      auto done = co_await transport::write_all(*inner_, left.substr(0, octets), context);
      if (!done) co_return done;
      note_progress();
      written_ += octets;
      left.remove_prefix(octets);
    }
    co_return Result<void>();
  }
  Task<void> close(Context context) override {
    if (inner_) co_await inner_->close(std::move(context));
  }
  [[nodiscard]] const Endpoint& peer() const noexcept override { return peer_; }
  [[nodiscard]] const Endpoint& local() const noexcept override { return local_; }

 private:
  std::unexpected<Error> cut() {
    view_ = {};
    inner_.reset();
    return fail(ErrorKind::unavailable, {}, "cut by the test");
  }
  void note_progress() const {
    if (faults_.progress) faults_.progress();
  }
  std::size_t size(std::size_t octets_max) {
    return faults_.random_sizes && octets_max != 0 ? 1 + random_.below(std::min<std::size_t>(octets_max, 1 << 20)) : octets_max;
  }
  Task<void> pause(std::chrono::milliseconds delay_max, Context context) {
    if (delay_max.count() == 0) co_return;
    const std::chrono::milliseconds delay(random_.below(static_cast<std::uint64_t>(delay_max.count()) + 1));
    co_await sleep_until(context.executor->now() + delay, context);
  }

  std::unique_ptr<transport::ByteStream> inner_;
  StreamFaults faults_;
  SeededRandom random_;
  Endpoint peer_, local_;
  std::string_view view_;
  std::uint64_t read_ = 0, written_ = 0;
};

// Reads until `stream` ends; the error, or what came before the end.
[[nodiscard]] inline Task<Result<std::string>> read_to_end(transport::ByteStream& stream, Context context) {
  std::string all;
  for (;;) {
    auto view = co_await stream.read(context);
    if (!view) co_return std::unexpected(std::move(view).error());
    if (view->empty()) co_return all;
    all += *view;
    stream.consume(view->size());
  }
}

// Reads until what came ends in `ending` (a whole reply, say); an error when the stream ends first.
[[nodiscard]] inline Task<Result<std::string>> read_through(transport::ByteStream& stream, std::string ending, Context context) {
  std::string all;
  while (!all.ends_with(ending)) {
    auto view = co_await stream.read(context);
    if (!view) co_return std::unexpected(std::move(view).error());
    if (view->empty()) co_return fail(ErrorKind::unavailable, "the stream ended early", all);
    const std::size_t found = (all + std::string(*view)).find(ending);
    const std::size_t take = found == std::string::npos ? view->size() : found + ending.size() - all.size();
    all += view->substr(0, take);
    stream.consume(take);
  }
  co_return all;
}

}  // namespace keystonemail::test
