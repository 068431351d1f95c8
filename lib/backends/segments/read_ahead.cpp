// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/segments/read_ahead.hpp"

#include <algorithm>
#include <condition_variable>
#include <utility>

namespace keystonemail::segments {

// What one thread decodes and another waits for. Once taken before it was begun it is nobody's.
class ReadAhead::Piece {
 public:
  Piece(std::shared_ptr<const Segment> segment, const Location& location, const blob::BlobId& id, std::uint64_t offset)
      : segment_(std::move(segment)), location_(location), id_(id), offset_(offset) {}

  [[nodiscard]] bool is(const blob::BlobId& id, std::uint64_t offset) const noexcept { return offset_ == offset && id_ == id; }

  void decode() {
    {
      const std::lock_guard lock(mutex_);
      if (state_ != State::waiting) return;
      state_ = State::decoding;
    }
    auto content = read_record(*segment_, location_, id_, offset_, piece_octets);
    segment_.reset();  // its file may go now
    const std::lock_guard lock(mutex_);
    if (content) content_ = *std::move(content);
    state_ = State::over;
    changed_.notify_all();
  }

  // What was decoded; nothing when that failed or was not begun.
  [[nodiscard]] std::optional<std::string> take() {
    std::unique_lock lock(mutex_);
    if (state_ == State::waiting) state_ = State::over;
    changed_.wait(lock, [this] { return state_ == State::over; });
    return std::exchange(content_, std::nullopt);
  }

 private:
  enum class State : std::uint8_t { waiting, decoding, over };
  std::shared_ptr<const Segment> segment_;
  const Location location_;
  const blob::BlobId id_;
  const std::uint64_t offset_;
  std::mutex mutex_;
  std::condition_variable changed_;
  State state_ = State::waiting;        // guarded by mutex_, as is content_
  std::optional<std::string> content_;
};

std::optional<std::string> ReadAhead::take(const blob::BlobId& id, std::uint64_t offset, std::size_t octets) {
  std::shared_ptr<Piece> piece;
  {
    const std::lock_guard lock(mutex_);
    const auto found = std::ranges::find_if(pieces_, [&](const auto& kept) { return kept->is(id, offset); });
    if (found == pieces_.end()) return std::nullopt;
    piece = std::move(*found);
    pieces_.erase(found);
  }
  auto content = piece->take();
  if (!content || content->size() < octets) return std::nullopt;
  content->resize(octets);
  return content;
}

void ReadAhead::expect(std::shared_ptr<const Segment> segment, const Location& location, const blob::BlobId& id,
                       std::uint64_t offset, std::uint64_t content_octets) {
  const bool decodes = location.record_octets < content_octets - content_octets / 4;
  if (!decodes || offset == 0 || offset % chunk_octets != 0 || offset >= content_octets) return;
  auto piece = std::make_shared<Piece>(std::move(segment), location, id, offset);
  if (!workers_.submit([piece] { piece->decode(); })) return;
  const std::lock_guard lock(mutex_);
  if (pieces_.size() == pieces_max) pieces_.pop_front();
  pieces_.push_back(std::move(piece));
}

}  // namespace keystonemail::segments
