// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A mail store on the memory backends, which can be opened again, fails on demand and lets its rows be seen.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "conformance/mailstore_conformance.hpp"
#include "keystonemail/backends/memory/blob_store.hpp"
#include "keystonemail/backends/memory/kv_store.hpp"
#include "keystonemail/blob/faulty.hpp"
#include "keystonemail/kv/faulty.hpp"
#include "keystonemail/service/mailstore/kv_mail_store.hpp"
#include "service/mailstore/store_core.hpp"

namespace keystonemail::test {

inline std::vector<std::string> store_tables(std::span<const std::string_view> extra = {}) {
  std::vector<std::string> names;
  for (const auto name : service::mail_store_tables()) names.emplace_back(name);
  names.emplace_back("blob");
  for (const auto name : extra) names.emplace_back(name);
  return names;
}
inline const auto blob_table = static_cast<kv::Table>(service::mail_store_tables().size());

struct MemoryStore {
  explicit MemoryStore(service::MailStoreOptions given = {}, memory::Completion completion = memory::Completion::inline_,
                       std::span<const std::string_view> extra = {})
      : options(given), kv(memory::make_kv_store({.tables = store_tables(extra), .completion = completion})) {
    reopen();
  }
  void reopen() {
    mail.reset();
    auto opened = loop.run_until(service::KvMailStore::open(*faulty_kv, *faulty_blobs, random, options, Context{&loop}));
    REQUIRE(opened.has_value());
    mail = *std::move(opened);
  }
  mailstore::MailStore& store() { return *mail; }

  RunLoop loop;
  SeededRandom random{1};
  service::MailStoreOptions options;
  kv::Faults faults;
  std::unique_ptr<kv::Store> kv;
  std::unique_ptr<blob::Store> blobs = memory::make_blob_store({.table = blob_table});
  std::unique_ptr<kv::Store> faulty_kv = kv::make_faulty(*kv, faults);
  std::unique_ptr<blob::Store> faulty_blobs = blob::make_faulty(*blobs, faults);
  std::unique_ptr<service::KvMailStore> mail;
};

}  // namespace keystonemail::test
