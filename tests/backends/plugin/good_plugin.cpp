// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A plugin that keeps to the contract: one domain, two people. Its password check answers later, from a thread.
#include <atomic>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "keystonemail/directory/plugin.h"

namespace {

using Request = keystonemail_request;

struct State {
  const keystonemail_host* host;
  std::string domain;
  std::mutex mutex;
  std::jthread later;  // guarded by mutex, as all functions are called from several threads
};

std::string_view view(keystonemail_text text) { return {text.data, text.size}; }
keystonemail_text text(std::string_view octets) { return {octets.data(), octets.size()}; }
State& state(void* directory) { return *static_cast<State*>(directory); }
void finish(void* directory, Request request, keystonemail_status status) {
  state(directory).host->finish(state(directory).host, request, status, text("as asked"));
}

keystonemail_status open(const keystonemail_host* host, keystonemail_text configuration, void** directory, char* error, size_t size) {
  if (configuration.size == 0) {
    std::snprintf(error, size, "no domain given");
    return KEYSTONEMAIL_UNAVAILABLE;
  }
  *directory = new State{host, std::string(view(configuration)), {}, {}};
  host->log(host, KEYSTONEMAIL_LOG_INFO, text("opened"));
  return KEYSTONEMAIL_OK;
}

void close(void* directory) { delete &state(directory); }

void is_local_domain(void* directory, Request request, keystonemail_text domain) {
  finish(directory, request, view(domain) == state(directory).domain ? KEYSTONEMAIL_OK : KEYSTONEMAIL_NO);
}

void resolve(void* directory, Request request, keystonemail_text address) {
  State& self = state(directory);
  const auto at = view(address).rfind('@');
  const auto local = view(address).substr(0, at);
  if (view(address).substr(at + 1) != self.domain) return finish(directory, request, KEYSTONEMAIL_NO);
  if (local == "gone") return finish(directory, request, KEYSTONEMAIL_DENIED);
  if (local == "later") return finish(directory, request, KEYSTONEMAIL_UNAVAILABLE);
  if (local != "ann" && local != "all") return finish(directory, request, KEYSTONEMAIL_NOT_FOUND);
  self.host->add_mailbox(self.host, request, 1, address, text("box"));
  if (local == "all") self.host->add_remote(self.host, request, text("friend@elsewhere.test"));
  finish(directory, request, KEYSTONEMAIL_OK);
}

void set_ann(State& self, Request request, std::string_view credential) {
  const std::string login = "ann@" + self.domain;
  const keystonemail_account ann{.id = 1, .enabled = 1, .login = text(login), .display_name = text("Ann"), .quota_octets = 1000, .quota_messages = 10};
  self.host->set_account(self.host, request, &ann, text(credential));
}

void authenticate(void* directory, Request request, keystonemail_text login, keystonemail_text password, keystonemail_text,
                  keystonemail_text) {
  State& self = state(directory);
  const bool right = view(login) == "ann@" + self.domain && view(password) == "open sesame";
  const std::lock_guard lock(self.mutex);
  self.later = std::jthread([&self, directory, request, right] {
    if (right) set_ann(self, request, "phone");
    finish(directory, request, right ? KEYSTONEMAIL_OK : KEYSTONEMAIL_DENIED);
  });
}

void find_account(void* directory, Request request, keystonemail_text login) {
  State& self = state(directory);
  if (view(login) == "gone@" + self.domain) return finish(directory, request, KEYSTONEMAIL_DENIED);
  if (view(login) != "ann@" + self.domain) return finish(directory, request, KEYSTONEMAIL_NOT_FOUND);
  set_ann(self, request, "");
  finish(directory, request, KEYSTONEMAIL_OK);
}

void may_send_as(void* directory, Request request, uint32_t account, keystonemail_text address) {
  finish(directory, request, account == 1 && view(address) == "ann@" + state(directory).domain ? KEYSTONEMAIL_OK : KEYSTONEMAIL_NO);
}

void scram_keys(void* directory, Request request, keystonemail_text login, int32_t hash, keystonemail_text) {
  State& self = state(directory);
  const std::string key(hash == KEYSTONEMAIL_SHA_256 ? 32 : 20, 'k');
  const keystonemail_scram keys{.name = text("phone"), .salt = text("salt"), .iterations = 4096, .stored_key = text(key), .server_key = text(key)};
  if (view(login) == "ann@" + self.domain) self.host->add_scram(self.host, request, &keys);
  finish(directory, request, KEYSTONEMAIL_OK);
}

}  // namespace

extern "C" const keystonemail_directory_plugin* keystonemail_directory_plugin_entry(void) {
  static const keystonemail_directory_plugin table{
      .version = KEYSTONEMAIL_DIRECTORY_PLUGIN_VERSION, .size = sizeof table, .name = "good",
      .open = open, .close = close, .is_local_domain = is_local_domain, .resolve = resolve,
      .authenticate = authenticate, .find_account = find_account, .may_send_as = may_send_as, .scram_keys = scram_keys};
  return &table;
}
