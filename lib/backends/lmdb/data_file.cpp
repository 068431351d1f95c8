// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/lmdb/data_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>
#include <vector>

#include "backends/lmdb/errors.hpp"
#include "base/format.hpp"
#include "base/try.hpp"

namespace keystonemail::lmdb {
namespace {

// The layout of LMDB 0.9 on 64-bit machines, in the machine's byte order; see FORMAT.md.
constexpr std::size_t page_header_octets = 16;
constexpr std::uint32_t meta_magic = 0xBEEFC0DE;
constexpr std::uint16_t branch_page = 0x01, leaf_page = 0x02, meta_page = 0x08;
constexpr std::uint16_t big_node = 0x01, table_node = 0x02;
constexpr std::uint64_t no_page = ~0ULL;

template <class T>
T load(const char* at) noexcept {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

struct Meta {
  std::uint32_t page_octets;
  std::array<std::uint64_t, 2> roots;  // of the free list, of the table of tables
  std::uint64_t last_page;
  std::uint64_t transaction;
};

constexpr std::size_t meta_octets = page_header_octets + 136;

std::optional<Meta> parse_meta(const char* page) noexcept {
  const char* at = page + page_header_octets;
  if ((load<std::uint16_t>(page + 10) & meta_page) == 0) return std::nullopt;
  if (load<std::uint32_t>(at) != meta_magic || load<std::uint32_t>(at + 4) != 1) return std::nullopt;
  Meta meta{load<std::uint32_t>(at + 24), {load<std::uint64_t>(at + 24 + 40), load<std::uint64_t>(at + 72 + 40)},
            load<std::uint64_t>(at + 120), load<std::uint64_t>(at + 128)};
  const bool sane = meta.page_octets >= 512 && meta.page_octets <= 65'536 &&
                    (meta.page_octets & (meta.page_octets - 1)) == 0 && meta.last_page >= 1;
  return sane ? std::optional(meta) : std::nullopt;
}

class File {
 public:
  explicit File(const std::string& name) : fd_(::open(name.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] bool read(char* out, std::size_t octets, std::uint64_t offset) const noexcept {
    return ::pread(fd_, out, octets, static_cast<off_t>(offset)) == static_cast<ssize_t>(octets);
  }

 private:
  int fd_;
};

// Visits every page that a state of the file refers to.
class PageWalk {
 public:
  PageWalk(const File& file, const Meta& meta, std::uint64_t file_octets)
      : file_(file), meta_(meta), file_octets_(file_octets), seen_(meta.last_page + 1), page_(meta.page_octets) {}

  [[nodiscard]] Result<void> run() {
    for (const auto root : meta_.roots)
      if (root != no_page) todo_.push_back(root);
    while (!todo_.empty()) {
      const auto number = todo_.back();
      todo_.pop_back();
      KM_CHECK(visit(number));
    }
    return {};
  }

 private:
  [[nodiscard]] static std::unexpected<Error> damaged(std::string_view what, std::uint64_t page) {
    return fail(ErrorKind::corrupt, "stored data is damaged", format("data.mdb page {}: {}", page, what));
  }

  [[nodiscard]] Result<void> take(std::uint64_t first, std::uint64_t count) {
    for (auto number = first; number < first + count; ++number) {
      if (number > meta_.last_page || (number + 1) * meta_.page_octets > file_octets_)
        return damaged("is beyond the end of the file", number);
      if (seen_[number]) return damaged("is used twice", number);
      seen_[number] = true;
    }
    return {};
  }

  [[nodiscard]] Result<void> visit(std::uint64_t number) {
    KM_CHECK(take(number, 1));
    if (!file_.read(page_.data(), page_.size(), number * meta_.page_octets)) return damaged("cannot be read", number);
    const auto flags = load<std::uint16_t>(page_.data() + 10);
    const auto lower = load<std::uint16_t>(page_.data() + 12);
    if ((flags & (branch_page | leaf_page)) == 0 || lower < page_header_octets || lower > page_.size())
      return damaged("is no tree page", number);
    const std::size_t nodes = (lower - page_header_octets) / 2;
    for (std::size_t i = 0; i < nodes; ++i) {
      const auto at = load<std::uint16_t>(page_.data() + page_header_octets + 2 * i);
      if (at + 8U > page_.size()) return damaged("has a node outside", number);
      if ((flags & branch_page) != 0) {
        todo_.push_back(load<std::uint16_t>(page_.data() + at) |
                        static_cast<std::uint64_t>(load<std::uint16_t>(page_.data() + at + 2)) << 16 |
                        static_cast<std::uint64_t>(load<std::uint16_t>(page_.data() + at + 4)) << 32);
      } else {
        KM_CHECK(visit_leaf_node(number, at));
      }
    }
    return {};
  }

  [[nodiscard]] Result<void> visit_leaf_node(std::uint64_t number, std::size_t at) {
    const auto octets = load<std::uint32_t>(page_.data() + at);
    const auto flags = load<std::uint16_t>(page_.data() + at + 4);
    const std::size_t data = at + 8 + load<std::uint16_t>(page_.data() + at + 6);
    const std::size_t inside = (flags & big_node) != 0 ? 8 : octets;
    if (data + inside > page_.size()) return damaged("has a node outside", number);
    if ((flags & big_node) != 0) {
      const std::uint64_t count = (page_header_octets - 1 + octets) / meta_.page_octets + 1;
      return take(load<std::uint64_t>(page_.data() + data), count);
    }
    if ((flags & table_node) != 0) {
      if (octets != 48) return damaged("has a table of the wrong size", number);
      if (const auto root = load<std::uint64_t>(page_.data() + data + 40); root != no_page) todo_.push_back(root);
    }
    return {};
  }

  const File& file_;
  const Meta& meta_;
  std::uint64_t file_octets_;
  std::vector<bool> seen_;
  std::vector<char> page_;
  std::vector<std::uint64_t> todo_;
};

}  // namespace

Result<void> check_data_file(const std::string& name) {
  const File file(name);
  if (file.fd() < 0 && errno == ENOENT) return {};
  if (file.fd() < 0) return failed(errno, "open " + name);
  struct stat status {};
  if (::fstat(file.fd(), &status) != 0) return failed(errno, "fstat " + name);
  const auto octets = static_cast<std::uint64_t>(status.st_size);
  if (octets == 0) return {};
  std::array<char, meta_octets> page{};
  const auto first = file.read(page.data(), page.size(), 0) ? parse_meta(page.data()) : std::nullopt;
  std::uint32_t page_octets = first ? first->page_octets : 4096;
  const auto second = file.read(page.data(), page.size(), page_octets) ? parse_meta(page.data()) : std::nullopt;
  if (!first || !second)  // LMDB opens with neither missing; recovery makes one from the other
    return fail(ErrorKind::corrupt, "stored data is damaged", name + ": a meta page cannot be read");
  const Meta& newest = second->transaction > first->transaction ? *second : *first;
  // The last pages may be missing when they were freed before they were ever written, so a short file is walked.
  if ((newest.last_page + 1) * newest.page_octets <= octets) return {};
  return PageWalk(file, newest, octets).run();
}

}  // namespace keystonemail::lmdb
