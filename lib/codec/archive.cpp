// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/codec/archive.hpp"

#include <zlib.h>

#include <algorithm>
#include <cassert>
#include <climits>
#include <new>
#include <optional>

#include "base/try.hpp"

namespace keystonemail::codec {
namespace {

constexpr int window_bits = 15;
constexpr int gzip_window_bits = window_bits + 16;  // zlib.h: a gzip header and trailer
constexpr int raw_window_bits = -window_bits;
constexpr std::size_t piece_octets = 32U << 10;

constexpr std::string_view gzip_magic("\x1f\x8b", 2);
constexpr std::string_view end_magic("PK\5\6", 4), central_magic("PK\1\2", 4), local_magic("PK\3\4", 4);
constexpr std::size_t end_octets = 22, central_octets = 46, local_octets = 30, comment_octets_max = 65'535;
constexpr std::size_t encrypted_flag = 1;
constexpr std::size_t method_stored = 0, method_deflated = 8;
constexpr std::size_t sixteen_bits = 0xffff, thirty_two_bits = 0xffff'ffff;  // "see zip64"

std::unexpected<Error> damaged(const char* what) { return fail(ErrorKind::invalid, "the archive cannot be read", what); }
std::unexpected<Error> too_much() { return fail(ErrorKind::too_large, "the archive holds too much"); }

std::size_t out_max(std::size_t packed, std::size_t octets_max, std::size_t ratio_max = limits::unpacking_ratio_max) {
  if (ratio_max > octets_max) return octets_max;  // it cannot be what ends it
  return std::min(octets_max, std::max(limits::unpacking_free_octets, packed * ratio_max));
}

Bytef* input_of(std::string_view octets) { return reinterpret_cast<Bytef*>(const_cast<char*>(octets.data())); }

// One inflation at a time.
class Inflation {
 public:
  Inflation(std::string_view packed, int bits) {
    assert(packed.size() <= UINT_MAX);
    stream_.next_in = input_of(packed);
    stream_.avail_in = static_cast<uInt>(packed.size());
    if (inflateInit2(&stream_, bits) != Z_OK) throw std::bad_alloc();
  }
  ~Inflation() { (void)inflateEnd(&stream_); }
  Inflation(const Inflation&) = delete;
  Inflation& operator=(const Inflation&) = delete;

  // Appends to `out` until the stream ends. Errors: invalid, too_large.
  [[nodiscard]] Result<void> run(std::string& out, std::size_t octets_max) {
    for (;;) {
      const std::size_t had = out.size();
      const std::size_t room = std::min(piece_octets, octets_max - had + 1);  // one more than there may be shows that there is
      out.resize(had + room);
      stream_.next_out = reinterpret_cast<Bytef*>(out.data() + had);
      stream_.avail_out = static_cast<uInt>(room);
      const int state = inflate(&stream_, Z_NO_FLUSH);
      out.resize(out.size() - stream_.avail_out);
      if (out.size() > octets_max) return too_much();
      if (state == Z_STREAM_END) return {};
      if (state == Z_MEM_ERROR) throw std::bad_alloc();
      if (state != Z_OK) return damaged("deflated octets");  // Z_BUF_ERROR: they end too soon
    }
  }
  [[nodiscard]] std::string_view rest() const noexcept { return {reinterpret_cast<const char*>(stream_.next_in), stream_.avail_in}; }
  void again() { (void)inflateReset(&stream_); }

 private:
  z_stream stream_{};
};

std::size_t number_at(std::string_view octets, std::size_t place, std::size_t count) {
  std::size_t value = 0;
  for (std::size_t i = count; i-- > 0;) value = value << 8 | static_cast<unsigned char>(octets[place + i]);
  return value;
}

// Where the record that ends a zip archive is.
std::optional<std::size_t> find_end(std::string_view archive) {
  if (archive.size() < end_octets) return std::nullopt;
  const std::size_t last = archive.size() - end_octets;
  const std::size_t first = last > comment_octets_max ? last - comment_octets_max : 0;
  for (std::size_t place = last + 1; place-- > first;) {
    if (archive.substr(place).starts_with(end_magic)) return place;
  }
  return std::nullopt;
}

struct Entry {
  std::string_view name;
  std::size_t flags = 0, method = 0, checksum = 0, packed = 0, octets = 0, local = 0;
};

// The entry at the start of `directory`, which is moved on.
std::optional<Entry> take_entry(std::string_view& directory) {
  if (directory.size() < central_octets || !directory.starts_with(central_magic)) return std::nullopt;
  Entry entry;
  entry.flags = number_at(directory, 8, 2);
  entry.method = number_at(directory, 10, 2);
  entry.checksum = number_at(directory, 16, 4);
  entry.packed = number_at(directory, 20, 4);
  entry.octets = number_at(directory, 24, 4);
  entry.local = number_at(directory, 42, 4);
  const std::size_t name = number_at(directory, 28, 2);
  const std::size_t behind = name + number_at(directory, 30, 2) + number_at(directory, 32, 2);
  if (directory.size() - central_octets < behind) return std::nullopt;
  entry.name = directory.substr(central_octets, name);
  directory.remove_prefix(central_octets + behind);
  return entry;
}

// The packed octets of an entry. `files` is the archive without its directory.
std::optional<std::string_view> packed_of(const Entry& entry, std::string_view files) {
  if (entry.local > files.size() || files.size() - entry.local < local_octets) return std::nullopt;
  const std::string_view local = files.substr(entry.local);
  if (!local.starts_with(local_magic)) return std::nullopt;
  const std::size_t begin = local_octets + number_at(local, 26, 2) + number_at(local, 28, 2);
  if (begin > local.size() || local.size() - begin < entry.packed) return std::nullopt;
  return local.substr(begin, entry.packed);
}

Result<std::string> octets_of(const Entry& entry, std::string_view packed, std::size_t octets_max) {
  if ((entry.flags & encrypted_flag) != 0) return damaged("an encrypted file");
  if (entry.octets > octets_max) return too_much();
  std::string out;
  if (entry.method == method_stored) {
    out = packed;
  } else if (entry.method == method_deflated) {
    Inflation inflation(packed, raw_window_bits);
    KM_CHECK(inflation.run(out, octets_max));
  } else {
    return damaged("a file packed in a way that is not known");
  }
  if (out.size() != entry.octets) return damaged("a file of another size");
  if (crc32(0, input_of(out), static_cast<uInt>(out.size())) != entry.checksum) return damaged("a file with a wrong checksum");
  return out;
}

}  // namespace

bool is_gzip(std::string_view octets) noexcept { return octets.starts_with(gzip_magic); }
bool is_zip(std::string_view octets) noexcept { return octets.starts_with(local_magic) || octets.starts_with(end_magic); }

std::string gzip(std::string_view octets) {
  assert(octets.size() <= UINT_MAX);
  z_stream stream{};
  constexpr int memory_level = 8;  // zlib's usual one
  if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, gzip_window_bits, memory_level, Z_DEFAULT_STRATEGY) != Z_OK) throw std::bad_alloc();
  std::string out(deflateBound(&stream, static_cast<uLong>(octets.size())), '\0');
  stream.next_in = input_of(octets);
  stream.avail_in = static_cast<uInt>(octets.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  const int state = deflate(&stream, Z_FINISH);
  assert(state == Z_STREAM_END);
  (void)state;
  out.resize(stream.total_out);
  (void)deflateEnd(&stream);
  return out;
}

Result<std::string> gunzip(std::string_view archive, std::size_t octets_max, std::size_t ratio_max) {
  if (archive.size() > UINT_MAX) return too_much();
  Inflation inflation(archive, gzip_window_bits);
  std::string out;
  for (;;) {
    KM_CHECK(inflation.run(out, out_max(archive.size(), octets_max, ratio_max)));
    if (!is_gzip(inflation.rest())) return out;
    inflation.again();
  }
}

Result<std::vector<ZipFile>> unzip(std::string_view archive, std::size_t octets_max) {
  if (archive.size() > UINT_MAX) return too_much();
  const auto end = find_end(archive);
  if (!end) return damaged("no directory");
  const std::size_t count = number_at(archive, *end + 10, 2);
  const std::size_t size = number_at(archive, *end + 12, 4), begin = number_at(archive, *end + 16, 4);
  if (count == sixteen_bits || size == thirty_two_bits || begin == thirty_two_bits) return damaged("zip64");
  if (count > limits::zip_files_max) return too_much();
  if (begin > *end || size > *end - begin) return damaged("the directory is elsewhere");
  std::string_view directory = archive.substr(begin, size);
  const std::string_view files = archive.substr(0, begin);

  std::size_t left = out_max(archive.size(), octets_max);
  std::vector<std::string_view> taken;
  std::vector<ZipFile> out;
  for (std::size_t i = 0; i < count; ++i) {
    const auto entry = take_entry(directory);
    if (!entry) return damaged("the directory");
    const auto packed = packed_of(*entry, files);
    if (!packed) return damaged("a file is elsewhere");
    const auto shares = [&](std::string_view other) {
      return packed->data() < other.data() + other.size() && other.data() < packed->data() + packed->size();
    };
    if (std::ranges::any_of(taken, shares)) return damaged("files that share octets");
    taken.push_back(*packed);
    if (entry->name.ends_with('/')) continue;
    KM_TRY(std::string octets, octets_of(*entry, *packed, left));
    left -= octets.size();
    out.push_back({std::string(entry->name), std::move(octets)});
  }
  return out;
}

}  // namespace keystonemail::codec
