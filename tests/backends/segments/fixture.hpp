// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#pragma once

#include "backends/lmdb/fixture.hpp"
#include "conformance/blob_conformance.hpp"
#include "keystonemail/backends/segments/blob_store.hpp"

namespace keystonemail {

// Segments on lmdb, in one temporary directory.
struct SegmentsFixture : LmdbFixture {
  segments::BlobOptions blob_options{.directory = directory.path() + "/segments", .first_table = kv::Table{2},
                                     .free_octets_min = 0, .free_percent_min = 0,
                                     .orphan_age = std::chrono::milliseconds(0), .unlink_delay = std::chrono::milliseconds(0)};
  std::unique_ptr<segments::BlobStore> opened;

  SegmentsFixture() : LmdbFixture(0) {
    options.tables = {"a", "b", "blobs", "segments"};
    open_all();
  }
  void open_all() {
    made = open();
    open_blobs();
  }
  void open_blobs() {
    auto result = loop.run_until(segments::open_blob_store(*made, blob_options, Context{&loop}));
    if (!result) FAIL(result.error().describe());
    opened = *std::move(result);
  }
  void reopen() {
    close();
    open_all();
  }
  void close() {
    opened.reset();
    made.reset();
  }
  blob::Store& blobs() { return *opened; }
  conformance::BlobDriver blob_driver() { return {*made, *opened, loop}; }
  segments::CollectReport collect() {
    auto report = loop.run_until(opened->collect(Context{&loop}));
    if (!report) FAIL(report.error().describe());
    return *report;
  }
  [[nodiscard]] std::string segment_file(unsigned number) const {
    const std::string digits = std::to_string(number);
    return blob_options.directory + "/" + std::string(10 - digits.size(), '0') + digits + ".segment";
  }
};

}  // namespace keystonemail
