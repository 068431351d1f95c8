// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Mail store, queue and delivery on the memory backends.
#pragma once

#include "keystonemail/service/delivery/kv_delivery.hpp"
#include "keystonemail/service/queue/kv_queue.hpp"
#include "service/mailstore/store_fixture.hpp"

namespace keystonemail::test {

struct MemoryServer : MemoryStore {
  MemoryServer() : MemoryStore({.notes = service::Notes::none}, memory::Completion::inline_, service::queue_tables()) {}
  delivery::Delivery& delivery() { return delivery_; }
  queue::Queue& queue() { return queue_; }

  service::KvQueue queue_{*mail, {.first_table = static_cast<kv::Table>(service::mail_store_tables().size() + 1)}};
  service::KvDelivery delivery_{*mail, queue_};
};

}  // namespace keystonemail::test
