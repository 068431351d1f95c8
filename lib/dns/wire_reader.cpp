// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "dns/wire_reader.hpp"

#include <array>
#include <cassert>

namespace keystonemail::dns {

WireReader::WireReader(std::string_view message, std::size_t offset, std::size_t end) noexcept
    : message_(message), offset_(offset), end_(end) {
  assert(offset <= end);
  assert(end <= message.size());
}

std::optional<std::string_view> WireReader::octets(std::size_t count) noexcept {
  if (count > end_ - offset_) return std::nullopt;
  const auto out = message_.substr(offset_, count);
  offset_ += count;
  return out;
}

std::optional<std::uint8_t> WireReader::u8() noexcept {
  const auto field = octets(1);
  if (!field) return std::nullopt;
  return static_cast<std::uint8_t>((*field)[0]);
}

std::optional<std::uint16_t> WireReader::u16() noexcept {
  const auto high = u8();
  const auto low = u8();
  if (!high || !low) return std::nullopt;
  return static_cast<std::uint16_t>(*high << 8U | *low);
}

std::optional<std::uint32_t> WireReader::u32() noexcept {
  const auto high = u16();
  const auto low = u16();
  if (!high || !low) return std::nullopt;
  return static_cast<std::uint32_t>(*high) << 16U | *low;
}

std::optional<std::string_view> WireReader::character_string() noexcept {
  const auto length = u8();
  if (!length) return std::nullopt;
  return octets(*length);
}

std::string_view WireReader::rest() noexcept { return *octets(end_ - offset_); }

// Each pointer leads to before the run of labels it was met in, so the way is finite; a name of more than 255 octets ends
// it sooner.
std::optional<Name> WireReader::name() {
  std::array<std::string_view, limits::name_labels_max> labels;
  std::size_t count = 0, total = 1;
  std::size_t run_start = offset_;
  WireReader at(message_, offset_, end_);  // what stands here must end here; what is pointed to, in the message
  bool pointed = false;
  while (true) {
    const auto length = at.u8();
    if (!length) return std::nullopt;
    if (*length == 0) break;
    if ((*length & 0xc0U) == 0xc0U) {
      const auto low = at.u8();
      if (!low) return std::nullopt;
      const std::size_t target = (*length & 0x3fU) << 8U | *low;
      if (!pointed) offset_ = at.offset();
      pointed = true;
      if (target >= run_start) return std::nullopt;
      run_start = target;
      at = WireReader(message_, target, message_.size());
      continue;
    }
    if (*length > limits::label_octets_max) return std::nullopt;
    const auto label = at.octets(*length);
    total += *length + 1U;
    if (!label || total > limits::name_octets_max) return std::nullopt;
    labels.at(count++) = *label;
  }
  if (!pointed) offset_ = at.offset();
  return Name::from_labels({labels.data(), count});
}

}  // namespace keystonemail::dns
