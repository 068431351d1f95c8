// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Makes zip archives, good ones and bad ones.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/codec/archive.hpp"

namespace keystonemail::test {

struct ZipSource {
  std::string name;
  std::string octets;
  bool deflated = false;
};
enum class ZipTrick : std::uint8_t { none, same_octets, encrypted, wrong_size };

inline void append_little_endian(std::string& out, std::size_t value, int octets) {
  for (int i = 0; i < octets; ++i) out += static_cast<char>(value >> (8 * i));
}

// A gzip archive is ten octets, the deflated ones, their checksum and their number.
inline std::string make_zip(const std::vector<ZipSource>& files, ZipTrick trick = ZipTrick::none) {
  std::string out, directory;
  std::size_t first = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    const ZipSource& file = files[i];
    const std::string packed = codec::gzip(file.octets);
    const std::string body = file.deflated ? packed.substr(10, packed.size() - 18) : file.octets;
    const std::size_t place = trick == ZipTrick::same_octets && i > 0 ? first : out.size();
    if (i == 0) first = place;
    std::string entry;
    append_little_endian(entry, 20, 2);
    append_little_endian(entry, trick == ZipTrick::encrypted ? 1 : 0, 2);
    append_little_endian(entry, file.deflated ? 8 : 0, 2);
    append_little_endian(entry, 0, 4);  // when
    entry += packed.substr(packed.size() - 8, 4);
    append_little_endian(entry, body.size(), 4);
    append_little_endian(entry, file.octets.size() + (trick == ZipTrick::wrong_size ? 1 : 0), 4);
    append_little_endian(entry, file.name.size(), 2);
    append_little_endian(entry, 0, 2);  // extra fields
    out += std::string("PK\3\4", 4) + entry + file.name + body;
    directory += std::string("PK\1\2\24\0", 6) + entry;
    append_little_endian(directory, 0, 2);  // comment
    append_little_endian(directory, 0, 8);  // disk, attributes
    append_little_endian(directory, place, 4);
    directory += file.name;
  }
  const std::size_t begin = out.size();
  out += directory + std::string("PK\5\6\0\0\0\0", 8);
  append_little_endian(out, files.size(), 2);
  append_little_endian(out, files.size(), 2);
  append_little_endian(out, directory.size(), 4);
  append_little_endian(out, begin, 4);
  append_little_endian(out, 0, 2);
  return out;
}

}  // namespace keystonemail::test
