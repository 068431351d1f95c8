// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace keystonemail::host {

// How far a long command has come, as one line of standard error that is drawn over: on a terminal alone.
//
// Threads: one.
class Progress {
 public:
  enum class Show : std::uint8_t { on_terminal, never };
  explicit Progress(Show show = Show::on_terminal);
  ~Progress() { end(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Begins a step of `total` things (0: nobody knows how many).
  void begin(std::string label, std::uint64_t total, std::string unit);
  // `done` things so far, and the octets that were in them.
  void set(std::uint64_t done, std::uint64_t octets = 0);
  void add(std::uint64_t octets) { set(done_ + 1, octets_ + octets); }
  // Takes the line away.
  void end();

 private:
  using Clock = std::chrono::steady_clock;
  void draw(Clock::time_point now);

  bool shown_;
  bool drawn_ = false;
  std::string label_, unit_;
  std::uint64_t total_ = 0, done_ = 0, octets_ = 0;
  Clock::time_point began_{}, next_{};
};

// "12.3 MiB"
[[nodiscard]] std::string octets_text(std::uint64_t octets);
// The line itself, at most `width` columns.
[[nodiscard]] std::string progress_line(std::string_view label, std::string_view unit, std::uint64_t done, std::uint64_t total,
                                        std::uint64_t octets, std::chrono::milliseconds elapsed, std::size_t width);

}  // namespace keystonemail::host
