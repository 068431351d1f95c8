// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace keystonemail::host {

// How far a long command has come, as one line of standard error that is drawn over: on a terminal alone.
//
// Threads: one.
class Progress {
 public:
  enum class Show : std::uint8_t { on_terminal, never };
  explicit Progress(Show show = Show::on_terminal);
  // Tells somebody else instead, as often as it would draw; on the thread of the work.
  struct Step {
    std::string label, unit;
    std::uint64_t total = 0, done = 0, octets = 0;
  };
  using Listener = std::function<void(const Step&)>;
  explicit Progress(Listener listener) : shown_(true), listener_(std::move(listener)) {}
  ~Progress() { end(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Begins a step of `total` things (0: nobody knows how many).
  void begin(std::string label, std::uint64_t total, std::string unit);
  // `done` things so far, and the octets that were in them.
  void set(std::uint64_t done, std::uint64_t octets = 0);
  void add(std::uint64_t octets) { set(step_.done + 1, step_.octets + octets); }
  // A step as somebody else is in it.
  void show(const Step& step);
  // Takes the line away.
  void end();

 private:
  using Clock = std::chrono::steady_clock;
  void draw(Clock::time_point now);

  bool shown_;
  bool drawn_ = false;
  Listener listener_;
  Step step_;
  Clock::time_point began_{}, next_{};
};

// "12.3 MiB"
[[nodiscard]] std::string octets_text(std::uint64_t octets);
// The line itself, at most `width` columns.
[[nodiscard]] std::string progress_line(std::string_view label, std::string_view unit, std::uint64_t done, std::uint64_t total,
                                        std::uint64_t octets, std::chrono::milliseconds elapsed, std::size_t width);

}  // namespace keystonemail::host
