// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The store as it is shipped (lmdb, segments, mail store, queue) opened in one call, for programs that crash it.
#pragma once

#include <memory>
#include <string>

#include "keystonemail/backends/lmdb/kv_store.hpp"
#include "keystonemail/backends/segments/blob_store.hpp"
#include "keystonemail/base/executor.hpp"
#include "keystonemail/base/random.hpp"
#include "keystonemail/service/delivery/kv_delivery.hpp"
#include "keystonemail/service/mailstore/kv_mail_store.hpp"
#include "keystonemail/service/queue/kv_queue.hpp"

namespace keystonemail::test {

// Ownership: members are destroyed in the right order.
struct DurableStore {
  std::unique_ptr<lmdb::KvStore> kv;
  std::unique_ptr<segments::BlobStore> blobs;
  std::unique_ptr<service::KvMailStore> mail;
  std::unique_ptr<service::KvQueue> queue;
  std::unique_ptr<service::KvDelivery> delivery;
};

inline Result<DurableStore> open_durable_store(const std::string& directory, RunLoop& loop, Random& random,
                                               std::uint64_t segment_octets_max = 4U << 20) {
  DurableStore store;
  lmdb::KvOptions options{.directory = directory, .map_octets_initial = 256U << 20, .free_octets_min = 0,
                          .free_percent_min = 0, .claimed_octets = 1U << 20, .file_systems = lmdb::FileSystems::any};
  for (const auto name : service::mail_store_tables()) options.tables.emplace_back(name);
  const auto blob_table = kv::Table{static_cast<std::uint8_t>(options.tables.size())};
  for (const auto name : segments::blob_tables()) options.tables.emplace_back(name);
  const auto queue_table = kv::Table{static_cast<std::uint8_t>(options.tables.size())};
  for (const auto name : service::queue_tables()) options.tables.emplace_back(name);
  auto kv = lmdb::open_kv_store(std::move(options));
  if (!kv) return std::unexpected(std::move(kv).error());
  store.kv = *std::move(kv);
  segments::BlobOptions blob_options{.directory = directory + "/segments", .first_table = blob_table,
                                     .segment_octets_max = segment_octets_max, .free_octets_min = 0, .free_percent_min = 0};
  auto blobs = loop.run_until(segments::open_blob_store(*store.kv, std::move(blob_options), {&loop}));
  if (!blobs) return std::unexpected(std::move(blobs).error());
  store.blobs = *std::move(blobs);
  auto mail = loop.run_until(service::KvMailStore::open(*store.kv, *store.blobs, random, {}, {&loop}));
  if (!mail) return std::unexpected(std::move(mail).error());
  store.mail = *std::move(mail);
  store.queue = std::make_unique<service::KvQueue>(*store.mail, service::QueueOptions{.first_table = queue_table});
  store.delivery = std::make_unique<service::KvDelivery>(*store.mail, *store.queue);
  return store;
}

}  // namespace keystonemail::test
