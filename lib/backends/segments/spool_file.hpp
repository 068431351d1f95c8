// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// SpoolFile: octets laid aside in a file without a name, which goes when it is closed or the program ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "keystonemail/base/result.hpp"
#include "keystonemail/blob/blob.hpp"

namespace keystonemail::segments {

// Threads: one at a time. Errors: unavailable. Memory: none of the octets.
class SpoolFile final : public blob::Spool {
 public:
  explicit SpoolFile(std::string directory) : directory_(std::move(directory)) {}
  ~SpoolFile() override;
  SpoolFile(const SpoolFile&) = delete;
  SpoolFile& operator=(const SpoolFile&) = delete;

  [[nodiscard]] Result<void> write(std::string_view octets) override;
  [[nodiscard]] Result<void> read(std::uint64_t offset, std::size_t octets, std::string& out) const override;
  [[nodiscard]] std::uint64_t octets() const noexcept override { return octets_; }

 private:
  [[nodiscard]] Result<void> create();

  std::string directory_;
  std::uint64_t octets_ = 0;
  int fd_ = -1;
};

}  // namespace keystonemail::segments
