// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Stores: everything in the data directory, opened and put together: mail, queue, delivery, accounts.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "config/config.hpp"
#include "dkim/dkim_keys.hpp"
#include "keystonemail/backends/lmdb/kv_store.hpp"
#include "keystonemail/backends/segments/blob_store.hpp"
#include "keystonemail/base/random.hpp"
#include "keystonemail/service/policies/sending_limits.hpp"
#include "keystonemail/service/server/server.hpp"
#include "server/upkeep.hpp"

namespace keystonemail::reporting {
class Reporting;
}

namespace keystonemail::host {

class Inbound;

// Where the memory of policies is in the index.
struct PolicyTables {
  kv::Table greylist{}, sending{};
};

// What [limits] says, as the server takes it.
[[nodiscard]] keystonemail::Limits server_limits(const Config& config);

// REQUIRES: their secrets have been read.
[[nodiscard]] std::vector<webhook::Hook> hooks_of(const Config& config);

class Stores;
// What mail is given that is passed on: a sender of ours, and a seal with the DKIM key of the domain that it went through.
// Ownership: borrows the stores. Errors: those of srs.key; invalid ([forwarding] domain is none).
[[nodiscard]] Result<std::shared_ptr<const forwarding::Forwarder>> make_forwarder(const Config& config, Stores& stores);

// Ownership: borrows the log. Threads: opened and destroyed on one. REQUIRES: the executor it was opened on, and those
// that use it, outlive it.
class Stores {
 public:
  using TlsProvider = std::function<std::shared_ptr<const tls::ServerContext>()>;

  // Errors: unavailable when another process has the directory; corrupt; invalid; those of plugin::open_directory.
  [[nodiscard]] static Task<Result<std::unique_ptr<Stores>>> open(const Config& config, Log& log, TlsProvider tls,
                                                                  Context context);
  // The mail of another one's files, in `directory`, to look at: nothing is written to segments.
  [[nodiscard]] static Task<Result<std::unique_ptr<Stores>>> open_copy(const Stores& of, std::string directory, Context context);

  // The index of a data directory: its place and tables, those of blobs first, those of policies last.
  [[nodiscard]] static lmdb::KvOptions index_options(const Config& config);

  // The same in memory: gone with the process.
  [[nodiscard]] static Task<Result<std::unique_ptr<Stores>>> open_in_memory(const Config& config, Log& log, TlsProvider tls,
                                                                            Context context);

  // Of a running server: reads its configuration again. Empty when no server runs.
  std::function<Result<void>()> reload;
  Config config;
  Log* log = nullptr;
  SystemRandom random;
  std::unique_ptr<lmdb::KvStore> kv;
  std::unique_ptr<WorkerPool> readers;         // of blobs; null on a machine with one core
  std::unique_ptr<segments::BlobStore> blobs;
  std::unique_ptr<kv::Store> memory_kv;        // instead of those two
  std::unique_ptr<blob::Store> memory_blobs;
  std::unique_ptr<directory::Directory> plugin;  // null: accounts are internal
  std::unique_ptr<DkimKeys> dkim;              // null: none are kept
  std::function<std::shared_ptr<const policy::Chain>()> policies;  // of a running server; set before its first connection
  std::unique_ptr<keystonemail::Server> server;
  PolicyTables policy_tables;
  std::shared_ptr<policies::SendingLimits> sending;  // null: of a copy, or in memory
  Inbound* inbound = nullptr;                  // of a running server
  std::unique_ptr<Upkeep> upkeep;              // of a running server
  reporting::Reporting* reporting = nullptr;   // of a running server; borrowed, null: there are no reports

 private:
  enum class Use : bool { work, look };
  [[nodiscard]] static Result<void> check_index(const Config& config);
  [[nodiscard]] static Task<Result<std::unique_ptr<Stores>>> open_for(Use use, Config config, Log& log, TlsProvider tls,
                                                                      Context context);
};

}  // namespace keystonemail::host
