// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#pragma once

#include <doctest/doctest.h>

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "conformance/kv_conformance.hpp"
#include "keystonemail/backends/lmdb/kv_store.hpp"

namespace keystonemail {

// A directory that vanishes with it.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    path_ = (std::filesystem::temp_directory_path() / "keystonemail-XXXXXX").string();
    REQUIRE(::mkdtemp(path_.data()) != nullptr);
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  std::string path_;
};

inline std::string load(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
inline void save(const std::string& file, const std::string& octets) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << octets;
}

struct LmdbFixture {
  TemporaryDirectory directory;
  RunLoop loop;
  lmdb::KvOptions options{.directory = directory.path() + "/store", .tables = {"a", "b"}, .free_octets_min = 0,
                          .free_percent_min = 0};
  std::unique_ptr<lmdb::KvStore> made;

  LmdbFixture() : made(open()) {}
  explicit LmdbFixture(int) {}  // opens nothing yet: the options are to be changed first

  std::unique_ptr<lmdb::KvStore> open() {
    auto opened = lmdb::open_kv_store(options);
    if (!opened) FAIL(opened.error().describe());
    return *std::move(opened);
  }
  void reopen() {
    made.reset();
    made = open();
  }
  kv::Store& store() { return *made; }
  conformance::KvDriver driver() { return {*made, loop}; }
  [[nodiscard]] std::string data_file() const { return options.directory + "/data.mdb"; }
};

}  // namespace keystonemail
