// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/relay/letter.hpp"

#include <algorithm>
#include <utility>

#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/mime/header.hpp"
#include "keystonemail/mime/reencode.hpp"

namespace keystonemail::relay {

namespace {

constexpr std::size_t piece_octets = 64 * 1024;

}  // namespace

Task<Result<std::unique_ptr<Letter>>> Letter::open(queue::Queue& queue, queue::EntryId id, Context context) {
  KM_CO_TRY(auto reader, co_await queue.open(id, context));
  std::unique_ptr<Letter> letter(new Letter(std::move(reader)));
  KM_CO_CHECK(co_await letter->look(context));
  co_return std::move(letter);
}

// Reads it once, to know before the first word is sent what it needs.
Task<Result<void>> Letter::look(Context context) {
  mime::HeaderEndFinder end;
  bool in_header = true;
  for (std::uint64_t at = 0; at < reader_->octets();) {
    KM_CO_TRY(const std::string_view piece, co_await reader_->read(at, piece_octets, context));
    if (piece.empty()) break;
    std::string_view rest = piece;
    if (in_header) {
      const auto found = end.find(piece);
      const std::string_view header = piece.substr(0, found.value_or(piece.size()));
      eight_bit_header_ = eight_bit_header_ || !is_ascii(header);
      in_header = !found.has_value();
      rest.remove_prefix(header.size());
    }
    eight_bit_body_ = eight_bit_body_ || !is_ascii(rest);
    if (at == 0 && piece.size() == reader_->octets()) whole_ = piece;
    at += piece.size();
  }
  co_return Result<void>();
}

Task<Result<void>> Letter::make_seven_bit(Context context) {
  if (text_) co_return Result<void>();
  KM_CO_TRY(const std::string raw, co_await begin(SIZE_MAX, std::move(context)));
  text_ = mime::to_seven_bit(raw);
  eight_bit_body_ = false;
  co_return Result<void>();
}

Task<Result<std::string_view>> Letter::read(std::uint64_t offset, Context context) {
  if (offset >= octets()) co_return std::string_view();
  if (text_) co_return std::string_view(*text_).substr(offset, piece_octets);
  if (!whole_.empty()) co_return whole_.substr(offset);
  co_return co_await reader_->read(offset, piece_octets, std::move(context));
}

Task<Result<std::string>> Letter::begin(std::size_t octets_max, Context context) {
  std::string all;
  while (all.size() < octets_max) {
    KM_CO_TRY(const std::string_view piece, co_await read(all.size(), context));
    if (piece.empty()) break;
    all += piece.substr(0, octets_max - all.size());
  }
  co_return all;
}

}  // namespace keystonemail::relay
