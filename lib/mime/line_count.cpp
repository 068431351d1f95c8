// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "mime/line_count.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace keystonemail::mime {
namespace {

using Octets = std::uint8_t __attribute__((vector_size(16)));
constexpr std::size_t width = sizeof(Octets);

Octets load(const char* from) {
  Octets octets;
  std::memcpy(&octets, from, width);
  return octets;
}

std::uint32_t sum(Octets octets) {
  std::uint32_t total = 0;
  for (std::size_t i = 0; i < width; ++i) total += octets[i];
  return total;
}

// Up to 255 vectors, so that no lane overflows. A comparison gives 255 in each lane where it holds: minus one.
// REQUIRES: one more octet than the vectors is readable.
void count_block(const char* from, std::size_t vectors, LineEndCount& count) {
  Octets line_feeds{}, carriage_returns{}, pairs{};
  for (std::size_t i = 0; i < vectors; ++i, from += width) {
    const Octets here = load(from);
    const Octets cr = (Octets)(here == '\r');  // only this form of cast takes vectors
    line_feeds -= (Octets)(here == '\n');
    carriage_returns -= cr;
    pairs -= cr & (Octets)(load(from + 1) == '\n');
  }
  count.line_feeds += sum(line_feeds);
  count.carriage_returns += sum(carriage_returns);
  count.pairs += sum(pairs);
}

}  // namespace

LineEndCount count_line_ends(std::string_view text) noexcept {
  LineEndCount count;
  std::size_t done = 0;
  while (text.size() - done > width) {
    const std::size_t vectors = std::min<std::size_t>((text.size() - done - 1) / width, 255);
    count_block(text.data() + done, vectors, count);
    done += vectors * width;
  }
  for (; done < text.size(); ++done) {
    if (text[done] == '\n') ++count.line_feeds;
    if (text[done] != '\r') continue;
    ++count.carriage_returns;
    if (done + 1 < text.size() && text[done + 1] == '\n') ++count.pairs;
  }
  return count;
}

}  // namespace keystonemail::mime
