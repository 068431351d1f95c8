// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "mailauth/header_fields.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

#include "keystonemail/base/text.hpp"
#include "keystonemail/mime/limits.hpp"

namespace keystonemail::mailauth {
namespace {

int compare(std::string_view a, std::string_view b) noexcept {
  const std::size_t common = std::min(a.size(), b.size());
  for (std::size_t i = 0; i < common; ++i) {
    const int difference = static_cast<unsigned char>(to_lower(a[i])) - static_cast<unsigned char>(to_lower(b[i]));
    if (difference != 0) return difference;
  }
  return a.size() < b.size() ? -1 : a.size() > b.size();
}

}  // namespace

HeaderFields::HeaderFields(std::string_view header) {
  mime::HeaderReader reader(header);
  while (auto field = reader.next()) {
    if (fields_.size() == mime::limits::header_fields_max) {
      overflowed_ = true;
      fields_.clear();
      return;
    }
    fields_.push_back(*field);
  }
  for (std::uint32_t i = 0; i < fields_.size(); ++i) {
    if (!fields_[i].name.empty()) by_name_.push_back(i);
  }
  std::ranges::sort(by_name_, [this](std::uint32_t a, std::uint32_t b) {
    const int order = compare(fields_[a].name, fields_[b].name);
    return order != 0 ? order < 0 : a < b;
  });
}

std::span<const std::uint32_t> HeaderFields::named(std::string_view name) const noexcept {
  const auto order = [this](std::uint32_t position, std::string_view other) { return compare(fields_[position].name, other); };
  const auto first = std::partition_point(by_name_.begin(), by_name_.end(), [&](std::uint32_t p) { return order(p, name) < 0; });
  const auto last = std::partition_point(first, by_name_.end(), [&](std::uint32_t p) { return order(p, name) == 0; });
  return {first, last};
}

const mime::Field* FieldPicker::take(std::string_view name) {
  const auto positions = fields_.named(name);
  if (positions.empty()) return nullptr;
  auto taken = std::ranges::lower_bound(taken_, positions.data(), std::less<>(), &Taken::first);
  if (taken == taken_.end() || taken->first != positions.data()) taken = taken_.insert(taken, Taken{positions.data(), 0});
  if (taken->count == positions.size()) return nullptr;
  ++taken->count;
  return &fields_.fields()[positions[positions.size() - taken->count]];
}

}  // namespace keystonemail::mailauth
