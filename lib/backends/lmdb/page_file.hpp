// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// LMDB's data file as a file of pages, read with pread(2): LMDB itself trusts what it finds. The layout is that of LMDB
// 0.9 on 64-bit machines, in the machine's byte order.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace keystonemail::lmdb {

inline constexpr std::uint32_t page_octets_usual = 4096;  // when no meta page can be read
inline constexpr std::size_t page_header_octets = 16;
inline constexpr std::size_t node_header_octets = 8;
inline constexpr std::uint16_t branch_page = 0x01, leaf_page = 0x02, overflow_page = 0x04, meta_page = 0x08;
inline constexpr std::uint16_t kinds_of_page = 0x6F;
inline constexpr std::uint16_t big_node = 0x01, table_node = 0x02;
inline constexpr std::size_t table_record_octets = 48;
inline constexpr std::uint64_t no_page = ~0ULL;
inline constexpr std::uint64_t first_tree_page = 2;  // after the two meta pages

template <class T>
T load(const char* at) noexcept {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

// A tree as it is recorded: those of the free list and of the tables in the meta page, the others in the tree of tables.
struct TreeRecord {
  std::uint16_t flags = 0;
  std::uint16_t depth = 0;
  std::uint64_t root = no_page;
};
[[nodiscard]] TreeRecord load_tree(const char* at) noexcept;

struct Meta {
  std::uint32_t page_octets = 0;
  TreeRecord free, tables;
  std::uint64_t last_page = 0;
  std::uint64_t transaction = 0;
};

// Ownership: owns the descriptor.
class PageFile {
 public:
  explicit PageFile(const std::string& name);
  ~PageFile();
  PageFile(const PageFile&) = delete;
  PageFile& operator=(const PageFile&) = delete;

  [[nodiscard]] int fd() const noexcept { return fd_; }  // negative: errno says why
  [[nodiscard]] std::uint64_t octets() const noexcept { return octets_; }
  [[nodiscard]] bool read(char* out, std::size_t octets, std::uint64_t offset) const noexcept;
  // The two meta pages; nothing where one is not sound.
  [[nodiscard]] std::array<std::optional<Meta>, 2> metas() const noexcept;

 private:
  int fd_;
  std::uint64_t octets_ = 0;
};

}  // namespace keystonemail::lmdb
