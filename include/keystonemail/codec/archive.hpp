// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// gzip (RFC 1952) and zip, for the small files that reports come in.
//
// Ownership: values. Threads: pure functions. Errors: invalid (no such archive, truncated, a wrong checksum, encrypted, of a
// kind that is not read), too_large (limits). Limits: limits below, checked as octets come out (attack C9): no input takes more
// memory than twice `octets_max`, or time beyond what that many octets take.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/result.hpp"

namespace keystonemail::codec {

namespace limits {
inline constexpr std::size_t unpacked_octets_max = 10'000'000;  // of an archive, all files together
inline constexpr std::size_t unpacking_ratio_max = 200;         // to the octets that it has packed
inline constexpr std::size_t unpacking_free_octets = 64U << 10; // so many come out whatever the ratio
inline constexpr std::size_t zip_files_max = 16;
}  // namespace limits

[[nodiscard]] bool is_gzip(std::string_view octets) noexcept;
[[nodiscard]] bool is_zip(std::string_view octets) noexcept;

// Without a name or a time in it: equal octets give equal archives.
[[nodiscard]] std::string gzip(std::string_view octets);
// All members, put together. What stands behind the last one is not looked at.
[[nodiscard]] Result<std::string> gunzip(std::string_view archive, std::size_t octets_max = limits::unpacked_octets_max,
                                         std::size_t ratio_max = limits::unpacking_ratio_max);

struct ZipFile {
  std::string name;    // as it stands: never a path to write to
  std::string octets;
};
// The files of its central directory, stored or deflated; directories are left out. Files that share octets, as bombs do,
// are refused, and so is zip64.
[[nodiscard]] Result<std::vector<ZipFile>> unzip(std::string_view archive, std::size_t octets_max = limits::unpacked_octets_max);

}  // namespace keystonemail::codec
