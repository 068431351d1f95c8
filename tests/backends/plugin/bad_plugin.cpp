// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A plugin that breaks the contract: the name it is asked about says how, and the environment what is
// wrong with its table of functions, as that is asked for before any configuration is given.
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include "keystonemail/directory/plugin.h"

namespace {

using Request = keystonemail_request;
using Host = const keystonemail_host*;  // each directory's own

std::string_view view(keystonemail_text text) { return {text.data, text.size}; }
keystonemail_text text(std::string_view octets) { return {octets.data(), octets.size()}; }
Host host_of(void* directory) { return static_cast<Host>(directory); }
void finish(Host host, Request request, keystonemail_status status) { host->finish(host, request, status, {nullptr, 7}); }

keystonemail_status open(Host host, keystonemail_text, void** directory, char*, size_t) {
  *directory = const_cast<keystonemail_host*>(host);
  return KEYSTONEMAIL_OK;
}
void close(void*) {}

void is_local_domain(void* directory, Request request, keystonemail_text domain) {
  const Host host = host_of(directory);
  if (view(domain) == "throws.test") throw std::runtime_error("a plugin must not");
  if (view(domain) == "silent.test") return;
  if (view(domain) == "blocks.test") std::this_thread::sleep_for(std::chrono::seconds(1));
  if (view(domain) == "twice.test") finish(host, request, KEYSTONEMAIL_OK);
  finish(host, request, view(domain) == "garbage.test" ? -77 : view(domain) == "vague.test" ? KEYSTONEMAIL_NOT_FOUND : KEYSTONEMAIL_NO);
  host->add_remote(host, request, text("too@late.test"));
}

void resolve(void* directory, Request request, keystonemail_text address) {
  const Host host = host_of(directory);
  const auto how = view(address).substr(0, view(address).find('@'));
  const std::string line_break = "x@y.test\r\nRCPT TO:<evil@y.test>";
  if (how == "null") host->add_mailbox(host, request, 1, {nullptr, 5}, {nullptr, 0});
  if (how == "huge") host->add_mailbox(host, request, 1, {"x", SIZE_MAX}, {nullptr, 0});
  if (how == "zero") host->add_mailbox(host, request, 0, address, {nullptr, 0});
  if (how == "break") host->add_remote(host, request, text(line_break));
  if (how == "binary") host->add_mailbox(host, request, 1, address, text("\xff\xfe"));
  if (how == "noat") host->add_remote(host, request, text("nobody"));
  if (how == "many")
    for (int i = 0; i < 2'000; ++i) host->add_mailbox(host, request, 1, address, {nullptr, 0});
  host->add_mailbox(host, request + 1'000'000, 1, address, {nullptr, 0});  // a request that is none
  finish(host, request, KEYSTONEMAIL_OK);
}

void authenticate(void* directory, Request request, keystonemail_text login, keystonemail_text, keystonemail_text, keystonemail_text) {
  const Host host = host_of(directory);
  const auto how = view(login).substr(0, view(login).find('@'));
  keystonemail_account account{.id = 1, .enabled = 1, .login = login, .display_name = {nullptr, 0}, .quota_octets = 0, .quota_messages = 0};
  if (how == "zero") account.id = 0;
  if (how == "maybe") account.enabled = 9;
  if (how == "disabled") account.enabled = 0;
  if (how == "short") account.login = text("short");
  if (how != "nobody") host->set_account(host, request, how == "null" ? nullptr : &account, {nullptr, 0});
  finish(host, request, how == "unknown" ? KEYSTONEMAIL_NOT_FOUND : KEYSTONEMAIL_OK);
}

void find_account(void* directory, Request request, keystonemail_text) { finish(host_of(directory), request, KEYSTONEMAIL_OK); }
void may_send_as(void* directory, Request request, uint32_t, keystonemail_text) { finish(host_of(directory), request, 5); }

void scram_keys(void* directory, Request request, keystonemail_text login, int32_t, keystonemail_text) {
  const Host host = host_of(directory);
  const auto how = view(login).substr(0, view(login).find('@'));
  const std::string key(how == "length" ? 31 : 32, 'k');
  keystonemail_scram keys{.name = text("a"), .salt = text("salt"), .iterations = 4096, .stored_key = text(key), .server_key = text(key)};
  if (how == "weak") keys.iterations = 1;
  if (how == "saltless") keys.salt = {nullptr, 0};
  host->add_scram(host, request, &keys);
  if (how == "salts") keys.salt = text("pepper"), host->add_scram(host, request, &keys);
  finish(host, request, KEYSTONEMAIL_OK);
}

}  // namespace

extern "C" const keystonemail_directory_plugin* keystonemail_directory_plugin_entry(void) {
  const char* wrong = std::getenv("KEYSTONEMAIL_TEST_PLUGIN");
  const std::string_view how = wrong ? wrong : "";
  static keystonemail_directory_plugin table;
  table = {.version = KEYSTONEMAIL_DIRECTORY_PLUGIN_VERSION, .size = sizeof table, .name = nullptr,
           .open = open, .close = close, .is_local_domain = is_local_domain, .resolve = resolve,
           .authenticate = authenticate, .find_account = find_account, .may_send_as = may_send_as, .scram_keys = scram_keys};
  if (how == "version") table.version = 2;
  if (how == "size") table.size = 16;
  if (how == "function") table.resolve = nullptr;
  return how == "null" ? nullptr : &table;
}
