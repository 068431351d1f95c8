// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/transport/pipe.hpp"

#include <algorithm>
#include <cassert>
#include <string>

#include "transport/waiter.hpp"

namespace keystonemail::transport {

namespace {

// One direction.
struct Flow {
  std::string under_way;  // written and not yet taken by a read
  bool ended = false;     // the writer has closed
  bool broken = false;    // one end is gone without a word, or the reader has closed
  Waiter readable, writable;
};

class PipeStream final : public ByteStream {
 public:
  PipeStream(std::shared_ptr<Flow> in, std::shared_ptr<Flow> out, Endpoint peer, Endpoint local, std::size_t capacity)
      : in_(std::move(in)), out_(std::move(out)), peer_(peer), local_(local), capacity_(capacity) {}
  ~PipeStream() override {
    if (!closed_) abandon();
  }

  Task<Result<std::string_view>> read(Context context) override;
  void consume(std::size_t octets) noexcept override;
  [[nodiscard]] std::size_t unconsumed() const noexcept override { return held_.size() - consumed_; }
  Task<Result<void>> write(std::span<const std::string_view> pieces, Context context) override;
  Task<void> close(Context context) override;
  [[nodiscard]] const Endpoint& peer() const noexcept override { return peer_; }
  [[nodiscard]] const Endpoint& local() const noexcept override { return local_; }

 private:
  void abandon();

  std::shared_ptr<Flow> in_, out_;
  std::string held_;          // what the last read brought
  std::size_t consumed_ = 0;  // of it
  Endpoint peer_, local_;
  std::size_t capacity_;
  bool closed_ = false;
};

Task<Result<std::string_view>> PipeStream::read(Context context) {
  assert(!closed_);
  const auto in = in_;
  while (unconsumed() == 0 && in->under_way.empty()) {
    if (in->broken) co_return fail(ErrorKind::unavailable, {}, "pipe: reset by the peer");
    if (in->ended) co_return std::string_view();
    if (const Wake wake = co_await in->readable.wait(context); wake != Wake::ready)
      co_return wake_failure(wake, "pipe read");
  }
  if (unconsumed() == 0) {
    held_.clear();
    consumed_ = 0;
    held_.swap(in->under_way);
    in->writable.wake_later();
  }
  co_return std::string_view(held_).substr(consumed_);
}

void PipeStream::consume(std::size_t octets) noexcept {
  assert(octets <= unconsumed());
  consumed_ += octets;
  if (consumed_ < held_.size()) return;
  held_ = {};  // nothing is held while idle
  consumed_ = 0;
}

Task<Result<void>> PipeStream::write(std::span<const std::string_view> pieces, Context context) {
  assert(!closed_);
  const auto out = out_;
  for (std::string_view piece : pieces) {
    while (!piece.empty()) {
      if (out->broken) co_return fail(ErrorKind::unavailable, {}, "pipe: reset by the peer");
      const std::size_t room = capacity_ - std::min(capacity_, out->under_way.size());
      if (room == 0) {
        if (const Wake wake = co_await out->writable.wait(context); wake != Wake::ready)
          co_return wake_failure(wake, "pipe write");
        continue;
      }
      const std::string_view part = piece.substr(0, room);
      out->under_way += part;
      piece.remove_prefix(part.size());
      out->readable.wake_later();
    }
  }
  co_return Result<void>();
}

Task<void> PipeStream::close(Context) {
  closed_ = true;
  out_->ended = true;
  in_->broken = true;
  out_->readable.wake_later();
  in_->writable.wake_later();
  co_return;
}

void PipeStream::abandon() {
  out_->under_way.clear();
  out_->broken = in_->broken = true;
  out_->readable.wake_later();
  in_->writable.wake_later();
}

}  // namespace

Pipe make_pipe(PipeOptions options) {
  assert(options.capacity > 0);
  const auto up = std::make_shared<Flow>(), down = std::make_shared<Flow>();
  return {std::make_unique<PipeStream>(down, up, options.server, options.client, options.capacity),
          std::make_unique<PipeStream>(up, down, options.client, options.server, options.capacity)};
}

class PipeNetwork::PipeListener final : public Listener {
 public:
  PipeListener(PipeNetwork& network, Endpoint at, Handler handler, Context context)
      : network_(network), local_(at), handler_(std::move(handler)), context_(std::move(context)) {
    network_.listeners_.emplace(at, this);
  }
  ~PipeListener() override { network_.listeners_.erase(local_); }

  [[nodiscard]] const Endpoint& local() const noexcept override { return local_; }
  [[nodiscard]] std::size_t connections() const noexcept override { return *connections_; }

  void accept(std::unique_ptr<ByteStream> stream) {
    context_.executor->post([handler = handler_, context = context_, count = connections_,
                             held = std::move(stream)]() mutable {
      serve(std::move(handler), std::move(held), std::move(context), std::move(count)).detach();
    });
  }

 private:
  static Task<void> serve(Handler handler, std::unique_ptr<ByteStream> stream, Context context,
                          std::shared_ptr<std::size_t> count) {
    ++*count;
    co_await handler(std::move(stream), std::move(context));
    --*count;
  }

  PipeNetwork& network_;
  Endpoint local_;
  Handler handler_;
  Context context_;
  std::shared_ptr<std::size_t> connections_ = std::make_shared<std::size_t>(0);
};

PipeNetwork::~PipeNetwork() { assert(listeners_.empty()); }

Result<std::unique_ptr<Listener>> PipeNetwork::listen(Endpoint at, Handler handler, Context context) {
  if (at.port == 0) at.port = next_port_++;
  if (listeners_.contains(at)) return fail(ErrorKind::conflict, "address in use", at.to_string());
  return std::make_unique<PipeListener>(*this, at, std::move(handler), std::move(context));
}

Result<std::unique_ptr<ByteStream>> PipeNetwork::connect_from(Endpoint from, Endpoint to) {
  const auto found = listeners_.find(to);
  if (found == listeners_.end()) return fail(ErrorKind::unavailable, "connection refused", to.to_string());
  Pipe pipe = make_pipe({.client = from, .server = to, .capacity = capacity_});
  found->second->accept(std::move(pipe.server));
  return std::move(pipe.client);
}

Task<Result<std::unique_ptr<ByteStream>>> PipeNetwork::connect(Endpoint to, Context) {
  co_return connect_from({IpAddress::v4({127, 0, 0, 1}), next_port_++}, to);
}

}  // namespace keystonemail::transport
