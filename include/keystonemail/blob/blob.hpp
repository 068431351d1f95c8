// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// blob: the port to content-addressed storage of octet strings, shared by reference count.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/base/task.hpp"
#include "keystonemail/kv/kv.hpp"

namespace keystonemail::blob {

namespace limits {
inline constexpr std::uint64_t blob_octets_max = 1ULL << 32;
inline constexpr std::size_t read_unit_octets = 64U << 10;  // reads from one multiple of it to another cost least
}

// The SHA-256 of the content.
struct BlobId {
  std::array<std::uint8_t, 32> digest{};
  [[nodiscard]] std::string hex() const;
  [[nodiscard]] std::string_view key() const noexcept {  // the 32 octets, as a table key
    return {reinterpret_cast<const char*>(digest.data()), digest.size()};
  }
  friend auto operator<=>(const BlobId&, const BlobId&) = default;
};

// Content that has been taken in but that nothing refers to yet. Dropping it leaves at most garbage that the
// store collects by itself.
class Staged {
 public:
  virtual ~Staged() = default;
  [[nodiscard]] virtual const BlobId& id() const noexcept = 0;
  [[nodiscard]] virtual std::uint64_t octets() const noexcept = 0;
};

// Takes content in pieces. Memory is bounded whatever the size: beyond a threshold it goes to storage as it comes.
class Writer {
 public:
  virtual ~Writer() = default;
  // Errors: too_large, unavailable (storage full or failing). After an error only destruction is allowed.
  [[nodiscard]] virtual Task<Result<void>> write(std::string_view piece, Context context) = 0;
  [[nodiscard]] virtual Task<Result<std::unique_ptr<Staged>>> finish(Context context) = 0;
};

// Octets laid aside on storage until their owner reads them again, so that memory need not hold them. It goes when
// destroyed and does not survive the program. Errors: unavailable (storage full or failing).
class Spool {
 public:
  virtual ~Spool() = default;
  [[nodiscard]] virtual Result<void> write(std::string_view piece) = 0;
  // Appends up to `octets` octets from `offset` on to `out`; fewer at the end.
  [[nodiscard]] virtual Result<void> read(std::uint64_t offset, std::size_t octets, std::string& out) const = 0;
  [[nodiscard]] virtual std::uint64_t octets() const noexcept = 0;
};

// Where staged content is to lie.
enum class Place : std::uint8_t {
  cheapest,  // for reading and writing
  apart,     // outside of the kv store where the backend has such a place, to be found there when the kv store is lost
};

// Threads: any. The store outlives what it hands out.
class Store {
 public:
  virtual ~Store() = default;
  [[nodiscard]] virtual Result<std::unique_ptr<Writer>> create() = 0;
  [[nodiscard]] virtual Result<std::unique_ptr<Spool>> create_spool() = 0;
  // Stages content that is in memory already, in one step.
  [[nodiscard]] virtual Task<Result<std::unique_ptr<Staged>>> stage(std::string_view content, Context context,
                                                                    Place place = Place::cheapest) = 0;
  // Adds one reference to staged content, within an operation. REQUIRES: the operation names barrier().
  [[nodiscard]] virtual Task<Result<void>> add_reference(kv::Transaction& transaction, const Staged& staged) = 0;
  // Adds one reference to content that has one. Errors: not_found.
  [[nodiscard]] virtual Task<Result<void>> add_reference(kv::Transaction& transaction, const BlobId& id) = 0;
  // Drops one reference; content without any is collected.
  [[nodiscard]] virtual Task<Result<void>> release(kv::Transaction& transaction, const BlobId& id) = 0;
  // Reads `octets_max` octets from `offset` (fewer at the end). A read from the start to the end is checked
  // against the digest as a whole; pieces are checked by the stored record's own checksums.
  // Errors: not_found, corrupt (and then it is never served), unavailable.
  [[nodiscard]] virtual Task<Result<std::string>> read(kv::Reader& reader, const BlobId& id, std::uint64_t offset,
                                                       std::size_t octets_max) = 0;
  // What operations that refer to staged content wait for; null where staging is durable already.
  [[nodiscard]] virtual kv::Barrier* barrier() noexcept = 0;
};

}  // namespace keystonemail::blob
