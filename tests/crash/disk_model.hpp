// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// DiskModel: what a disk may hold after the power failed, worked out from a trace of file work (io_trace.hpp).
//
// What has been synced is there. Of what has not, any subset may be: a whole write, some of its 4 KiB pages, some of its
// 512-octet sectors; a new name, a rename or a removal that was not followed by a sync of the folder may or may not be.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/random.hpp"
#include "io_trace.hpp"

namespace keystonemail::test {

struct TraceRecord {
  TraceHeader header;
  std::string payload;
};

// Reads a whole trace. A last record cut short (the program was killed) is left out.
[[nodiscard]] std::vector<TraceRecord> read_trace(const std::filesystem::path& path);

class DiskModel {
 public:
  // Applies the next record, as the running system saw it.
  void apply(const TraceRecord& record);

  // Writes one of the states that a power failure now could leave into `folder`, which is emptied first.
  void materialise(const std::filesystem::path& folder, Random& random) const;
  // Records applied that could still be lost.
  [[nodiscard]] std::size_t pending() const noexcept;

 private:
  struct Change {
    enum class Kind : std::uint8_t { write, truncate } kind;
    std::uint64_t offset;
    std::string octets;
    bool certain = false;           // O_DSYNC: it is on disk, whatever became of those before it
  };
  struct File {
    std::string durable;            // what is certainly there
    std::vector<Change> pending;    // in order
  };
  struct NameChange {
    std::string name;
    std::optional<std::uint32_t> file;  // absent: removed
  };
  static void write_at(std::string& content, std::uint64_t offset, std::string_view octets);
  [[nodiscard]] static std::string survived(const File& file, Random& random);

  std::map<std::uint32_t, std::uint32_t> inode_of_;       // trace number to file: a number names a path, which may be reused
  std::map<std::uint32_t, std::string> name_of_;
  std::map<std::uint32_t, File> files_;
  std::map<std::string, std::uint32_t> names_;            // as the running system sees them
  std::map<std::string, std::uint32_t> durable_names_;
  std::vector<NameChange> pending_names_;
  std::uint32_t last_inode_ = 0;
};

}  // namespace keystonemail::test
