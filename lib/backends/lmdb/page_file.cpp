// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/lmdb/page_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace keystonemail::lmdb {
namespace {

constexpr std::uint32_t meta_magic = 0xBEEFC0DE;
constexpr std::uint32_t format_of_lmdb = 1;
constexpr std::size_t meta_octets = page_header_octets + 136;

std::optional<Meta> parse_meta(const char* page, std::uint64_t number) noexcept {
  const char* at = page + page_header_octets;
  if (load<std::uint64_t>(page) != number || (load<std::uint16_t>(page + 10) & meta_page) == 0) return std::nullopt;
  if (load<std::uint32_t>(at) != meta_magic || load<std::uint32_t>(at + 4) != format_of_lmdb) return std::nullopt;
  const Meta meta{load<std::uint32_t>(at + 24), load_tree(at + 24), load_tree(at + 72), load<std::uint64_t>(at + 120),
                  load<std::uint64_t>(at + 128)};
  const bool sane = meta.page_octets >= 512 && meta.page_octets <= 65'536 &&
                    (meta.page_octets & (meta.page_octets - 1)) == 0 && meta.last_page >= 1 && meta.last_page < (1ULL << 47);
  return sane ? std::optional(meta) : std::nullopt;
}

}  // namespace

TreeRecord load_tree(const char* at) noexcept {
  return {load<std::uint16_t>(at + 4), load<std::uint16_t>(at + 6), load<std::uint64_t>(at + 40)};
}

PageFile::PageFile(const std::string& name) : fd_(::open(name.c_str(), O_RDONLY | O_CLOEXEC)) {
  struct stat status {};
  if (fd_ >= 0 && ::fstat(fd_, &status) == 0) octets_ = static_cast<std::uint64_t>(status.st_size);
}

PageFile::~PageFile() {
  if (fd_ >= 0) ::close(fd_);
}

bool PageFile::read(char* out, std::size_t octets, std::uint64_t offset) const noexcept {
  return ::pread(fd_, out, octets, static_cast<off_t>(offset)) == static_cast<ssize_t>(octets);
}

std::array<std::optional<Meta>, 2> PageFile::metas() const noexcept {
  std::array<std::optional<Meta>, 2> found;
  std::array<char, meta_octets> page{};
  if (read(page.data(), page.size(), 0)) found[0] = parse_meta(page.data(), 0);
  // Where the second one is, the first one says.
  const std::uint32_t page_octets = found[0] ? found[0]->page_octets : page_octets_usual;
  if (read(page.data(), page.size(), page_octets)) found[1] = parse_meta(page.data(), 1);
  return found;
}

}  // namespace keystonemail::lmdb
