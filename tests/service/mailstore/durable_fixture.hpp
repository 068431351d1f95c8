// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A mail store on LMDB and segment files, in a directory that goes with it.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "keystonemail/backends/lmdb/kv_store.hpp"
#include "keystonemail/backends/segments/blob_store.hpp"
#include "keystonemail/service/delivery/kv_delivery.hpp"
#include "keystonemail/service/queue/kv_queue.hpp"
#include "service/mailstore/store_fixture.hpp"

namespace keystonemail::test {

struct DurableStore {
  DurableStore() {
    std::string name = (std::filesystem::temp_directory_path() / "mailstore-XXXXXX").string();
    REQUIRE(mkdtemp(name.data()) != nullptr);
    directory = name;
    open();
  }
  ~DurableStore() {
    close();
    std::filesystem::remove_all(directory);
  }
  void open() {
    lmdb::KvOptions options;
    options.directory = directory + "/kv";
    options.map_octets_initial = 1ULL << 30;
    options.free_octets_min = 1 << 20;
    options.free_percent_min = 0;
    options.file_systems = lmdb::FileSystems::any;
    for (const auto name : service::mail_store_tables()) options.tables.emplace_back(name);
    for (const auto name : service::queue_tables()) options.tables.emplace_back(name);
    for (const auto name : segments::blob_tables()) options.tables.emplace_back(name);
    auto opened = lmdb::open_kv_store(options);
    if (!opened) FAIL(opened.error().describe());
    kv = *std::move(opened);
    const auto mail_tables = service::mail_store_tables().size(), queue_tables = service::queue_tables().size();
    segments::BlobOptions blob_options;
    blob_options.directory = directory + "/segments";
    blob_options.first_table = static_cast<kv::Table>(mail_tables + queue_tables);
    blob_options.free_octets_min = 1 << 20;
    blob_options.free_percent_min = 0;
    auto blob_store = loop.run_until(segments::open_blob_store(*kv, blob_options, Context{&loop}));
    if (!blob_store) FAIL(blob_store.error().describe());
    blobs = *std::move(blob_store);
    auto store = loop.run_until(service::KvMailStore::open(*kv, *blobs, random, {}, Context{&loop}));
    if (!store) FAIL(store.error().describe());
    mail = *std::move(store);
    queue_ = std::make_unique<service::KvQueue>(*mail, service::QueueOptions{.first_table = static_cast<kv::Table>(mail_tables)});
    delivery_ = std::make_unique<service::KvDelivery>(*mail, *queue_);
  }
  void close() {
    delivery_.reset();
    queue_.reset();
    mail.reset();
    blobs.reset();
    kv.reset();
  }
  mailstore::MailStore& store() { return *mail; }
  queue::Queue& queue() { return *queue_; }
  delivery::Delivery& delivery() { return *delivery_; }

  std::string directory;
  RunLoop loop;
  SeededRandom random{1};
  std::unique_ptr<lmdb::KvStore> kv;
  std::unique_ptr<segments::BlobStore> blobs;
  std::unique_ptr<service::KvMailStore> mail;
  std::unique_ptr<service::KvQueue> queue_;
  std::unique_ptr<service::KvDelivery> delivery_;
};

}  // namespace keystonemail::test
