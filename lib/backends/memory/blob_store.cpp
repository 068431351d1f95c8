// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Rows: digest -> references, octets; digest and a chunk's number -> the chunk.
#include "keystonemail/backends/memory/blob_store.hpp"

#include <algorithm>
#include <cassert>
#include <optional>
#include <string>
#include <utility>

#include "base/record.hpp"
#include "base/try.hpp"
#include "keystonemail/crypto/digest.hpp"

namespace keystonemail::memory {
namespace {

constexpr std::size_t chunk_octets = 256U << 10;

class StagedContent final : public blob::Staged {
 public:
  StagedContent(blob::BlobId id, std::string content) : id_(id), content_(std::move(content)) {}
  const blob::BlobId& id() const noexcept override { return id_; }
  std::uint64_t octets() const noexcept override { return content_.size(); }
  [[nodiscard]] std::string_view content() const noexcept { return content_; }

 private:
  blob::BlobId id_;
  std::string content_;
};

std::unique_ptr<blob::Staged> staged(std::string content) {
  const blob::BlobId id{crypto::sha256(content)};
  return std::make_unique<StagedContent>(id, std::move(content));
}

class ContentWriter final : public blob::Writer {
 public:
  explicit ContentWriter(std::uint64_t octets_max) : octets_max_(octets_max) {}
  Task<Result<void>> write(std::string_view piece, Context) override {
    if (piece.size() > octets_max_ - content_.size()) co_return fail(ErrorKind::too_large, "too large");
    content_.append(piece);
    co_return Result<void>();
  }
  Task<Result<std::unique_ptr<blob::Staged>>> finish(Context) override { co_return staged(std::move(content_)); }

 private:
  std::uint64_t octets_max_;
  std::string content_;
};

class MemorySpool final : public blob::Spool {
 public:
  Result<void> write(std::string_view piece) override {
    content_.append(piece);
    return {};
  }
  Result<void> read(std::uint64_t offset, std::size_t octets, std::string& out) const override {
    out.append(std::string_view(content_).substr(std::min<std::uint64_t>(offset, content_.size()), octets));
    return {};
  }
  std::uint64_t octets() const noexcept override { return content_.size(); }

 private:
  std::string content_;
};

struct Header {
  std::uint64_t references = 0;
  std::uint64_t octets = 0;
};

std::string encode(const Header& header) {
  std::string row;
  append_big_endian(row, header.references, 8);
  append_big_endian(row, header.octets, 8);
  return row;
}

std::string chunk_key(const blob::BlobId& id, std::uint64_t index) {
  std::string key(id.key());
  append_big_endian(key, index, 4);
  return key;
}

class MemoryBlobStore final : public blob::Store {
 public:
  explicit MemoryBlobStore(BlobOptions options) : options_(options) {}

  Result<std::unique_ptr<blob::Writer>> create() override { return std::make_unique<ContentWriter>(options_.octets_max); }

  Result<std::unique_ptr<blob::Spool>> create_spool() override { return std::make_unique<MemorySpool>(); }

  Task<Result<std::unique_ptr<blob::Staged>>> stage(std::string_view content, Context, blob::Place) override {
    if (content.size() > options_.octets_max) co_return fail(ErrorKind::too_large, "too large");
    co_return staged(std::string(content));
  }

  Task<Result<void>> add_reference(kv::Transaction& transaction, const blob::Staged& given) override {
    const auto& content = static_cast<const StagedContent&>(given).content();
    KM_CO_TRY(auto header, co_await find(transaction, given.id()));
    if (!header) {
      header = Header{0, content.size()};
      for (std::size_t at = 0; at < content.size(); at += chunk_octets)
        transaction.put(options_.table, chunk_key(given.id(), at / chunk_octets), content.substr(at, chunk_octets));
    }
    ++header->references;
    transaction.put(options_.table, given.id().key(), encode(*header));
    co_return Result<void>();
  }

  Task<Result<void>> add_reference(kv::Transaction& transaction, const blob::BlobId& id) override {
    KM_CO_TRY(auto header, co_await find(transaction, id));
    if (!header) co_return fail(ErrorKind::not_found, {}, "no such blob");
    ++header->references;
    transaction.put(options_.table, id.key(), encode(*header));
    co_return Result<void>();
  }

  Task<Result<void>> release(kv::Transaction& transaction, const blob::BlobId& id) override {
    KM_CO_TRY(auto header, co_await find(transaction, id));
    if (!header) co_return fail(ErrorKind::not_found, {}, "no such blob");
    assert(header->references > 0);
    if (--header->references > 0) {
      transaction.put(options_.table, id.key(), encode(*header));
      co_return Result<void>();
    }
    transaction.erase(options_.table, id.key());
    for (std::uint64_t at = 0; at < header->octets; at += chunk_octets)
      transaction.erase(options_.table, chunk_key(id, at / chunk_octets));
    co_return Result<void>();
  }

  Task<Result<std::string>> read(kv::Reader& reader, const blob::BlobId& id, std::uint64_t offset,
                                 std::size_t octets_max) override {
    KM_CO_TRY(const auto header, co_await find(reader, id));
    if (!header) co_return fail(ErrorKind::not_found, {}, "no such blob");
    std::string content;
    if (offset >= header->octets) co_return content;
    const std::uint64_t end = offset + std::min<std::uint64_t>(octets_max, header->octets - offset);
    content.reserve(end - offset);
    for (std::uint64_t at = offset; at < end;) {
      const std::string key = chunk_key(id, at / chunk_octets);
      KM_CO_TRY(const auto chunk, co_await reader.get(options_.table, key));
      const std::size_t skip = at % chunk_octets;
      if (!chunk || chunk->size() <= skip) co_return fail(ErrorKind::corrupt, "stored data is damaged", "short blob");
      content.append(chunk->substr(skip, end - at));
      at = offset + content.size();
    }
    if (offset == 0 && end == header->octets && crypto::sha256(content) != id.digest)
      co_return fail(ErrorKind::corrupt, "stored data is damaged", "blob digest");
    co_return content;
  }

  kv::Barrier* barrier() noexcept override { return nullptr; }

 private:
  Task<Result<std::optional<Header>>> find(kv::Reader& reader, const blob::BlobId& id) const {
    KM_CO_TRY(const auto row, co_await reader.get(options_.table, id.key()));
    if (!row) co_return std::optional<Header>();
    if (row->size() != 16) co_return fail(ErrorKind::corrupt, "stored data is damaged", "blob row");
    co_return Header{read_big_endian(row->substr(0, 8)), read_big_endian(row->substr(8))};
  }

  BlobOptions options_;
};

}  // namespace

std::unique_ptr<blob::Store> make_blob_store(BlobOptions options) { return std::make_unique<MemoryBlobStore>(options); }

}  // namespace keystonemail::memory
