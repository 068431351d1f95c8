// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "operations/progress.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/format.hpp"

namespace keystonemail::host {

namespace {

constexpr auto redraw_interval = std::chrono::milliseconds(100);
constexpr std::size_t bar_columns = 24;

bool is_terminal() {
  const char* kind = std::getenv("TERM");
  return ::isatty(STDERR_FILENO) == 1 && !(kind != nullptr && std::string_view(kind) == "dumb");
}

std::size_t terminal_columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void put(std::string_view text) {
  if (::write(STDERR_FILENO, text.data(), text.size()) < 0) return;  // nobody looks any more
}

}  // namespace

std::string octets_text(std::uint64_t octets) {
  constexpr std::string_view units[] = {"KiB", "MiB", "GiB", "TiB"};
  if (octets < 1024) return format("{} octets", octets);
  double value = static_cast<double>(octets) / 1024;
  std::size_t unit = 0;
  for (; value >= 1024 && unit + 1 < std::size(units); ++unit) value /= 1024;
  return format("{:.1f} {}", value, units[unit]);
}

std::string progress_line(std::string_view label, std::string_view unit, std::uint64_t done, std::uint64_t total,
                          std::uint64_t octets, std::chrono::milliseconds elapsed, std::size_t width) {
  std::string line(label);
  if (total > 0) {
    const std::uint64_t within = std::min(done, total);
    const auto filled = static_cast<std::size_t>(within * bar_columns / total);
    line += format(" [{}{}] {:3}%", std::string(filled, '='), std::string(bar_columns - filled, ' '), within * 100 / total);
  }
  line += format(" {} {}", done, unit);
  const double seconds = std::max(0.001, static_cast<double>(elapsed.count()) / 1000);
  line += format(", {:.0f}/s", static_cast<double>(done) / seconds);
  if (octets > 0) line += format(", {}/s", octets_text(static_cast<std::uint64_t>(static_cast<double>(octets) / seconds)));
  if (line.size() > width) line.resize(width);
  return line;
}

Progress::Progress(Show show) : shown_(show == Show::on_terminal && is_terminal()) {}

void Progress::begin(std::string label, std::uint64_t total, std::string unit) {
  end();
  step_ = {std::move(label), std::move(unit), total, 0, 0};
  began_ = Clock::now();
  next_ = began_;
  if (shown_) draw(began_);
}

void Progress::set(std::uint64_t done, std::uint64_t octets) {
  step_.done = done;
  step_.octets = octets;
  if (!shown_) return;
  if (const auto now = Clock::now(); now >= next_) draw(now);
}

void Progress::show(const Step& step) {
  if (step.label != step_.label) begin(step.label, step.total, step.unit);
  set(step.done, step.octets);
}

void Progress::draw(Clock::time_point now) {
  next_ = now + redraw_interval;
  if (listener_) return listener_(step_);
  const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(now - began_);
  put("\r" + progress_line(step_.label, step_.unit, step_.done, step_.total, step_.octets, elapsed, terminal_columns() - 1) + "\x1b[K");
  drawn_ = true;
}

void Progress::end() {
  if (std::exchange(drawn_, false)) put("\r\x1b[K");
}

}  // namespace keystonemail::host
