// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/backends/segments/blob_store.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <utility>

#include "backends/segments/collector.hpp"
#include "backends/segments/compression.hpp"
#include "backends/segments/maintenance.hpp"
#include "backends/segments/read_ahead.hpp"
#include "backends/segments/recount.hpp"
#include "backends/segments/rows.hpp"
#include "backends/segments/staging.hpp"
#include "base/try.hpp"

namespace keystonemail::segments {
namespace {

std::unexpected<Error> damaged(std::string_view what) {
  return fail(ErrorKind::corrupt, "stored data is damaged", "blob: " + std::string(what));
}

class SegmentBlobStore final : public BlobStore {
 public:
  explicit SegmentBlobStore(kv::Store& store, BlobOptions options)
      : store_(store), options_(std::move(options)), clock_(options_.clock != nullptr ? *options_.clock : system_clock_),
        rows_(options_.first_table) {}

  [[nodiscard]] Result<void> open() {
    KM_TRY(segments_, SegmentSet::open(options_));
    staging_.emplace(store_, *segments_, options_, clock_);
    collector_.emplace(store_, *segments_, rows_, options_, clock_);
    if (options_.workers != nullptr) read_ahead_.emplace(*options_.workers);
    return {};
  }

  Result<std::unique_ptr<blob::Writer>> create() override { return std::make_unique<BlobWriter>(*staging_); }
  Result<std::unique_ptr<blob::Spool>> create_spool() override {
    if (!segments_->has_room()) return fail(ErrorKind::unavailable, "storage is full");
    return std::make_unique<SpoolFile>(options_.directory);
  }
  Task<Result<std::unique_ptr<blob::Staged>>> stage(std::string_view content, Context context, blob::Place place) override {
    return staging_->stage(content, std::move(context), place);
  }
  Task<Result<void>> add_reference(kv::Transaction& transaction, const blob::Staged& staged) override;
  Task<Result<void>> add_reference(kv::Transaction& transaction, const blob::BlobId& id) override;
  Task<Result<void>> release(kv::Transaction& transaction, const blob::BlobId& id) override;
  Task<Result<std::string>> read(kv::Reader& reader, const blob::BlobId& id, std::uint64_t offset,
                                 std::size_t octets_max) override;
  kv::Barrier* barrier() noexcept override { return segments_.get(); }

  std::vector<SegmentStat> stat() const override { return collector_->stat(); }
  Task<Result<CollectReport>> collect(Context context) override { return collector_->collect(std::move(context)); }
  Result<ScrubStep> scrub(ScrubPosition position, std::uint64_t octets_max) override {
    return scrub_records(*segments_, position, octets_max);
  }
  Result<void> records(const std::function<void(const RecordInfo&)>& visit) override {
    return list_records(*segments_, visit);
  }
  Result<std::string> content(const RecordInfo& record) override;
  Result<std::unique_ptr<blob::Staged>> adopt(const RecordInfo& record) override;
  Task<Result<RecountReport>> recount(References references, Context context) override {
    return recount_rows(store_, *segments_, rows_, std::move(references), std::move(context));
  }
  Result<void> backup(const std::string& directory) override { return copy_segments(*segments_, directory); }

 private:
  [[nodiscard]] Result<std::string> read_located(const Location& location, const blob::BlobId& id, std::uint64_t content_octets,
                                                 std::uint64_t offset, std::size_t octets_max);

  kv::Store& store_;
  BlobOptions options_;
  SystemClock system_clock_;
  const Clock& clock_;
  BlobRows rows_;
  std::unique_ptr<SegmentSet> segments_;
  std::optional<Staging> staging_;
  std::optional<Collector> collector_;
  std::optional<ReadAhead> read_ahead_;
};

Task<Result<void>> SegmentBlobStore::add_reference(kv::Transaction& transaction, const blob::Staged& given) {
  const auto& staged = static_cast<const StagedBlob&>(given);
  KM_CO_TRY(const auto found, co_await rows_.find(transaction, staged.id()));
  BlobRow row{1, staged.octets(), {}};
  const auto* small = staged.inline_content();
  if (small != nullptr) row.content = InlineContent{small->compressed, small->stored};
  else row.content = *staged.location();
  if (found) {
    const auto* kept = std::get_if<Location>(&found->content);
    const auto* ours = staged.location();
    row.references = found->references + 1;
    // Two stagings of the same content, or content stored anew because its record was found damaged: the later
    // record is kept, as it was read or written last; the other is dead.
    if (kept != nullptr && ours != nullptr && !(*kept == *ours)) KM_CO_CHECK(co_await rows_.add_dead(transaction, *kept));
    if (kept == nullptr && ours != nullptr) row.content = found->content;
    if (kept != nullptr && ours == nullptr) row.content = *kept;
  }
  const std::string encoded = encode(row);  // `found` may view what the put rearranges
  transaction.put(options_.first_table, staged.id().key(), encoded);
  co_return Result<void>();
}

Task<Result<void>> SegmentBlobStore::add_reference(kv::Transaction& transaction, const blob::BlobId& id) {
  KM_CO_TRY(auto row, co_await rows_.find(transaction, id));
  if (!row) co_return fail(ErrorKind::not_found, {}, "no such blob");
  ++row->references;
  const std::string encoded = encode(*row);
  transaction.put(options_.first_table, id.key(), encoded);
  co_return Result<void>();
}

Task<Result<void>> SegmentBlobStore::release(kv::Transaction& transaction, const blob::BlobId& id) {
  KM_CO_TRY(auto row, co_await rows_.find(transaction, id));
  if (!row) co_return fail(ErrorKind::not_found, {}, "no such blob");
  if (row->references == 0) co_return damaged("references");
  if (--row->references > 0) {
    const std::string encoded = encode(*row);
    transaction.put(options_.first_table, id.key(), encoded);
    co_return Result<void>();
  }
  if (const auto* location = std::get_if<Location>(&row->content)) {
    const Location dead = *location;
    KM_CO_CHECK(co_await rows_.add_dead(transaction, dead));
  }
  transaction.erase(options_.first_table, id.key());
  co_return Result<void>();
}

Task<Result<std::string>> SegmentBlobStore::read(kv::Reader& reader, const blob::BlobId& id, std::uint64_t offset,
                                                 std::size_t octets_max) {
  KM_CO_TRY(const auto row, co_await rows_.find(reader, id));
  if (!row) co_return fail(ErrorKind::not_found, {}, "no such blob");
  if (const auto* location = std::get_if<Location>(&row->content)) {
    co_return read_located(*location, id, row->octets, offset, octets_max);
  }
  const auto& small = std::get<InlineContent>(row->content);
  if (row->octets > small_content_octets_max) co_return damaged("length");
  std::string content;
  if (!small.compressed) content = small.stored;
  else if (!decompress(content, small.stored, row->octets, Dictionary::mail)) co_return damaged("compression");
  if (content.size() != row->octets || crypto::sha256(content) != id.digest) co_return damaged("digest");
  if (offset >= content.size()) co_return std::string();
  if (offset > 0) content.erase(0, offset);
  if (content.size() > octets_max) content.resize(octets_max);
  co_return content;
}

Result<std::string> SegmentBlobStore::read_located(const Location& location, const blob::BlobId& id, std::uint64_t content_octets,
                                                   std::uint64_t offset, std::size_t octets_max) {
  auto segment = segments_->find(location.segment);
  if (segment == nullptr) return damaged("its segment is missing");
  const std::uint64_t end = offset + std::min<std::uint64_t>(octets_max, content_octets - std::min(offset, content_octets));
  std::optional<std::string> ahead;
  if (read_ahead_ && end > offset) ahead = read_ahead_->take(id, offset, static_cast<std::size_t>(end - offset));
  // Who goes on reading will again. The next is begun before this is decoded, if it must be.
  if (read_ahead_ && offset > 0) read_ahead_->expect(segment, location, id, end, content_octets);
  if (ahead) return *std::move(ahead);
  return read_record(*segment, location, id, offset, octets_max);
}

Result<std::string> SegmentBlobStore::content(const RecordInfo& record) {
  const auto segment = segments_->find(record.segment);
  if (segment == nullptr) return fail(ErrorKind::not_found, {}, "no such segment");
  return read_record(*segment, {record.segment, record.offset, record.stored_octets}, record.id, 0, record.octets);
}

Result<std::unique_ptr<blob::Staged>> SegmentBlobStore::adopt(const RecordInfo& record) {
  auto pin = segments_->pin(record.segment);
  if (!pin) return fail(ErrorKind::not_found, {}, "no such segment");
  const Location location{record.segment, record.offset, record.stored_octets};
  KM_CHECK(read_record(pin->segment(), location, record.id, 0, record.octets));
  return std::make_unique<StagedBlob>(record.id, record.octets, StagedRecord{location, *std::move(pin)});
}

constexpr std::array<std::string_view, 2> table_names{"blobs", "segments"};

}  // namespace

std::span<const std::string_view> blob_tables() noexcept { return table_names; }

Task<Result<std::unique_ptr<BlobStore>>> open_blob_store(kv::Store& store, BlobOptions options, Context) {
  auto opened = std::make_unique<SegmentBlobStore>(store, std::move(options));
  KM_CO_CHECK(opened->open());
  co_return opened;
}

}  // namespace keystonemail::segments
