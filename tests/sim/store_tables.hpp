// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The tables of a server's store: of mail, of the queue, of blobs, of what was forwarded lately, of policies.
#pragma once

#include <string>
#include <vector>

#include "keystonemail/service/forwarding/redirects.hpp"
#include "keystonemail/service/mailstore/kv_mail_store.hpp"
#include "keystonemail/service/mta_sts/policies.hpp"
#include "keystonemail/service/queue/kv_queue.hpp"

namespace keystonemail::sim {

[[nodiscard]] inline std::vector<std::string> table_names() {
  std::vector<std::string> names;
  for (const auto name : service::mail_store_tables()) names.emplace_back(name);
  for (const auto name : service::queue_tables()) names.emplace_back(name);
  names.emplace_back("blob");
  names.emplace_back(forwarding::Redirects::table_name);
  names.emplace_back(mta_sts::table_name);
  return names;
}
[[nodiscard]] inline kv::Table queue_table() { return static_cast<kv::Table>(service::mail_store_tables().size()); }
[[nodiscard]] inline kv::Table blob_table() {
  return static_cast<kv::Table>(service::mail_store_tables().size() + service::queue_tables().size());
}
[[nodiscard]] inline kv::Table redirects_table() {
  return static_cast<kv::Table>(service::mail_store_tables().size() + service::queue_tables().size() + 1);
}
[[nodiscard]] inline kv::Table policies_table() {
  return static_cast<kv::Table>(service::mail_store_tables().size() + service::queue_tables().size() + 2);
}

}  // namespace keystonemail::sim
