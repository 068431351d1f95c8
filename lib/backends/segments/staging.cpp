// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/segments/staging.hpp"

#include <array>
#include <cassert>
#include <utility>

#include "backends/segments/compression.hpp"
#include "base/try.hpp"

namespace keystonemail::segments {
namespace {

constexpr std::uint64_t octets_between_yields = 4U << 20;
constexpr std::size_t copy_octets = 256U << 10;

// As it goes into a row; false when it would be too long for one.
bool store_inline(StagedInline& out, std::string_view content, std::size_t octets_max) {
  if (content.size() > small_content_octets_max) return false;
  out.compressed = compress(out.stored, content, Dictionary::mail);
  if (!out.compressed) {
    if (content.size() > octets_max) return false;
    out.stored = content;
  }
  return out.stored.size() <= octets_max;
}

}  // namespace

Task<Result<std::unique_ptr<blob::Staged>>> Staging::stage(std::string_view content, Context context, blob::Place place) {
  if (content.size() > options_.blob_octets_max) co_return fail(ErrorKind::too_large, "too large");
  const blob::BlobId id{crypto::sha256(content)};
  StagedInline small;
  if (place == blob::Place::cheapest && store_inline(small, content, options_.small_octets_max))
    co_return std::make_unique<StagedBlob>(id, content.size(), std::move(small));
  RecordBuilder builder(options_.directory);
  KM_CO_CHECK(builder.add(content));
  KM_CO_CHECK(builder.finish());
  co_return co_await append(id, builder, context);
}

Task<Result<std::unique_ptr<blob::Staged>>> Staging::append(const blob::BlobId& id, const RecordBuilder& builder,
                                                            Context context) {
  RecordHeader header = builder.header();
  header.id = id;
  header.stored_at = static_cast<std::uint64_t>(clock_.wall_now().time_since_epoch().count());
  KM_CO_TRY(auto stored, co_await find_stored(id, header.octets, context));
  if (stored != nullptr) co_return stored;
  if (!segments_.has_room()) co_return fail(ErrorKind::unavailable, "storage is full");
  KM_CO_TRY(auto place, segments_.reserve(header));
  const Segment& segment = place.pin.segment();
  std::uint64_t at = place.location.offset + record_header_octets;
  const SpoolFile& spooled = builder.spooled();
  std::string_view table = builder.table();
  if (spooled.octets() > 0) {
    KM_CO_CHECK(segment.write(at, table));
    at += std::exchange(table, {}).size();
  }
  std::string piece;
  std::uint64_t since_yield = 0;
  for (std::uint64_t offset = 0; offset < spooled.octets(); offset += piece.size(), at += piece.size()) {
    piece.clear();
    KM_CO_CHECK(spooled.read(offset, copy_octets, piece));
    KM_CO_CHECK(segment.write(at, piece));
    since_yield += piece.size();
    if (since_yield < octets_between_yields) continue;
    since_yield = 0;
    co_await yield(*context.executor);
    if (context.stop.stop_requested()) co_return fail(ErrorKind::cancelled);
  }
  const std::string trailer = encode_record_trailer(encode_record_header(header));
  const std::array<std::string_view, 3> last{table, builder.in_memory(), trailer};
  KM_CO_CHECK(segment.write(at, last));
  const Location location = place.location;
  co_return std::make_unique<StagedBlob>(id, header.octets, StagedRecord{location, std::move(place.pin)});
}

Task<Result<std::unique_ptr<blob::Staged>>> Staging::find_stored(const blob::BlobId& id, std::uint64_t octets,
                                                                 Context context) {
  KM_CO_TRY(auto snapshot, co_await store_.snapshot(std::move(context)));
  KM_CO_TRY(const auto found, co_await snapshot->get(options_.first_table, id.key()));
  std::unique_ptr<blob::Staged> none;
  if (!found) co_return none;
  const auto row = decode_blob_row(*found);
  if (!row || row->octets != octets) co_return none;
  const auto* location = std::get_if<Location>(&row->content);
  if (location == nullptr) co_return none;
  auto pin = segments_.pin(location->segment);
  if (!pin) co_return none;
  // Damage found now is mended by storing the content anew.
  if (!read_record(pin->segment(), *location, id, 0, octets)) co_return none;
  co_return std::make_unique<StagedBlob>(id, octets, StagedRecord{*location, *std::move(pin)});
}

Task<Result<void>> BlobWriter::write(std::string_view piece, Context) {
  if (piece.size() > staging_.options().blob_octets_max - octets_) co_return fail(ErrorKind::too_large, "too large");
  octets_ += piece.size();
  if (!is_large_ && octets_ <= small_content_octets_max) {
    start_.append(piece);
    co_return Result<void>();
  }
  if (!is_large_) {
    is_large_ = true;
    digester_.update(start_);
    KM_CO_CHECK(builder_.add(start_));
    start_ = {};
  }
  digester_.update(piece);
  co_return builder_.add(piece);
}

Task<Result<std::unique_ptr<blob::Staged>>> BlobWriter::finish(Context context) {
  if (!is_large_) co_return co_await staging_.stage(start_, context);
  KM_CO_CHECK(builder_.finish());
  const blob::BlobId id{digester_.finish_sha256()};
  co_return co_await staging_.append(id, builder_, context);
}

}  // namespace keystonemail::segments
