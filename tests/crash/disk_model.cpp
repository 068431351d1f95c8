// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "disk_model.hpp"

#include <algorithm>
#include <cstring>
#include <fstream>

namespace keystonemail::test {
namespace {

constexpr std::size_t sector = 512, page = 4'096;

std::string_view folder_of(std::string_view name) {
  const auto slash = name.rfind('/');
  return slash == std::string_view::npos ? "." : name.substr(0, slash);
}

}  // namespace

std::vector<TraceRecord> read_trace(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::vector<TraceRecord> records;
  TraceRecord record;
  while (in.read(reinterpret_cast<char*>(&record.header), sizeof record.header)) {
    record.payload.resize(record.header.octets);
    if (!in.read(record.payload.data(), static_cast<std::streamsize>(record.header.octets))) break;
    records.push_back(record);
  }
  return records;
}

void DiskModel::apply(const TraceRecord& record) {
  const TraceHeader& header = record.header;
  switch (header.op) {
    case TraceOp::open: {
      name_of_[header.file] = record.payload;
      const auto found = names_.find(record.payload);
      if (found != names_.end()) {
        inode_of_[header.file] = found->second;
        return;
      }
      const std::uint32_t inode = ++last_inode_;
      inode_of_[header.file] = names_[record.payload] = inode;
      files_[inode];
      pending_names_.push_back({record.payload, inode});
      return;
    }
    case TraceOp::write: {
      files_.at(inode_of_.at(header.file)).pending.push_back({Change::Kind::write, header.offset, record.payload, header.durable != 0});
      return;
    }
    case TraceOp::truncate:
      files_.at(inode_of_.at(header.file)).pending.push_back({Change::Kind::truncate, header.offset, {}});
      return;
    case TraceOp::sync: {
      File& file = files_.at(inode_of_.at(header.file));
      for (const Change& change : file.pending) {
        if (change.kind == Change::Kind::write) write_at(file.durable, change.offset, change.octets);
        else file.durable.resize(change.offset);
      }
      file.pending.clear();
      return;
    }
    case TraceOp::sync_dir:
      std::erase_if(pending_names_, [&](const NameChange& change) {
        if (folder_of(change.name) != record.payload) return false;
        if (change.file) durable_names_[change.name] = *change.file;
        else durable_names_.erase(change.name);
        return true;
      });
      return;
    case TraceOp::rename: {
      const auto split = record.payload.find('\0');
      const std::string from = record.payload.substr(0, split), to = record.payload.substr(split + 1);
      const auto found = names_.find(from);
      if (found == names_.end()) return;
      const std::uint32_t inode = found->second;
      names_.erase(found);
      names_[to] = inode;
      for (auto& [number, name] : name_of_) {
        if (name == to) inode_of_[number] = inode;
      }
      pending_names_.push_back({to, inode});
      pending_names_.push_back({from, std::nullopt});
      return;
    }
    case TraceOp::unlink:
      names_.erase(record.payload);
      pending_names_.push_back({record.payload, std::nullopt});
      return;
    case TraceOp::mark: return;
  }
}

std::size_t DiskModel::pending() const noexcept {
  std::size_t count = pending_names_.size();
  for (const auto& [inode, file] : files_) count += file.pending.size();
  return count;
}

void DiskModel::write_at(std::string& content, std::uint64_t offset, std::string_view octets) {
  if (content.size() < offset + octets.size()) content.resize(offset + octets.size());
  std::memcpy(content.data() + offset, octets.data(), octets.size());
}

std::string DiskModel::survived(const File& file, Random& random) {
  std::string content = file.durable;
  // One temper for the whole file: an orderly disk writes all, a hostile one picks sectors.
  const auto temper = random.below(5);
  for (std::size_t i = 0; i < file.pending.size(); ++i) {
    const Change& change = file.pending[i];
    if (temper == 0 && !change.certain) continue;                           // nothing arrived
    if (temper > 1 && !change.certain && random.below(2) == 0) {            // this one did not, or only in part
      const std::size_t grain = temper == 2 ? 0 : temper == 3 ? page : sector;
      if (grain == 0 || change.kind == Change::Kind::truncate) continue;
      for (std::size_t at = 0; at < change.octets.size(); at += grain) {
        if (random.below(2) != 0) write_at(content, change.offset + at, std::string_view(change.octets).substr(at, grain));
      }
      continue;
    }
    if (change.kind == Change::Kind::write) write_at(content, change.offset, change.octets);
    else content.resize(change.offset);
  }
  return content;
}

void DiskModel::materialise(const std::filesystem::path& folder, Random& random) const {
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  auto names = durable_names_;
  const bool all = random.below(2) == 0;
  for (const NameChange& change : pending_names_) {
    if (!all && random.below(2) == 0) continue;
    if (change.file) names[change.name] = *change.file;
    else names.erase(change.name);
  }
  for (const auto& [name, inode] : names) {
    const auto path = folder / name;
    std::filesystem::create_directories(path.parent_path());
    const std::string content = survived(files_.at(inode), random);
    std::ofstream(path, std::ios::binary).write(content.data(), static_cast<std::streamsize>(content.size()));
  }
}

}  // namespace keystonemail::test
