// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A directory plugin: a shared object with the users of a text file, "id address password" a line, which is read anew
// for each question. Its configuration is the file's path. Nothing of the server is needed to build it but one header:
//
//   c++ -std=c++17 -shared -fPIC -I include users_file.cpp -o users_file.so
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>

#include "keystonemail/directory/plugin.h"

namespace {

struct Directory {
  const keystonemail_host* host;
  std::string file;
};
struct User {
  std::uint32_t id = 0;
  std::string address, password;
};

std::string_view view(keystonemail_text text) { return {text.data, text.size}; }
keystonemail_text text(std::string_view octets) { return {octets.data(), octets.size()}; }
Directory& self(void* directory) { return *static_cast<Directory*>(directory); }
std::string_view domain_of(std::string_view address) { return address.substr(address.rfind('@') + 1); }

// KEYSTONEMAIL_OK and the user, or KEYSTONEMAIL_NOT_FOUND. A file that cannot be read does not say that there is no such
// user: mail for him must wait (KEYSTONEMAIL_UNAVAILABLE), not go back.
struct Found {
  keystonemail_status status = KEYSTONEMAIL_UNAVAILABLE;
  User user;
};

template <class Wanted>
Found find(void* directory, Wanted wanted) {
  std::ifstream file(self(directory).file);
  if (!file) return {};
  for (std::string line; std::getline(file, line);) {
    if (line.empty()) continue;
    std::istringstream words(line);
    User user;
    if (!(words >> user.id >> user.address >> user.password)) return {};
    if (wanted(user)) return {KEYSTONEMAIL_OK, user};
  }
  return {file.eof() && !file.bad() ? KEYSTONEMAIL_NOT_FOUND : KEYSTONEMAIL_UNAVAILABLE, {}};
}
Found find_address(void* directory, keystonemail_text address) {
  return find(directory, [&](const User& user) { return user.address == view(address); });
}
// KEYSTONEMAIL_OK, _NO or _UNAVAILABLE.
keystonemail_status is_ours(void* directory, std::string_view domain) {
  const auto status = find(directory, [&](const User& user) { return domain_of(user.address) == domain; }).status;
  return status == KEYSTONEMAIL_NOT_FOUND ? KEYSTONEMAIL_NO : status;
}

void finish(void* directory, keystonemail_request request, keystonemail_status status) {
  self(directory).host->finish(self(directory).host, request, status, text(""));
}
void finish_with(void* directory, keystonemail_request request, const User& user) {
  const keystonemail_account account{user.id, 1, text(user.address), text(""), 0, 0};
  self(directory).host->set_account(self(directory).host, request, &account, text("password"));
  finish(directory, request, KEYSTONEMAIL_OK);
}

keystonemail_status open(const keystonemail_host* host, keystonemail_text file, void** directory, char* error, size_t size) {
  if (!std::ifstream(std::string(view(file)))) {
    std::snprintf(error, size, "the file of users cannot be read");
    return KEYSTONEMAIL_UNAVAILABLE;
  }
  *directory = new Directory{host, std::string(view(file))};
  return KEYSTONEMAIL_OK;
}
void close(void* directory) { delete &self(directory); }

void is_local_domain(void* directory, keystonemail_request request, keystonemail_text domain) {
  finish(directory, request, is_ours(directory, view(domain)));
}
void resolve(void* directory, keystonemail_request request, keystonemail_text address) {
  const auto ours = is_ours(directory, domain_of(view(address)));
  if (ours != KEYSTONEMAIL_OK) return finish(directory, request, ours);
  const auto found = find_address(directory, address);
  if (found.status != KEYSTONEMAIL_OK) return finish(directory, request, found.status);
  self(directory).host->add_mailbox(self(directory).host, request, found.user.id, text(found.user.address), text(""));
  finish(directory, request, KEYSTONEMAIL_OK);
}
void authenticate(void* directory, keystonemail_request request, keystonemail_text login, keystonemail_text password,
                  keystonemail_text, keystonemail_text) {
  const auto found = find_address(directory, login);  // a real one keeps hashes, and compares in constant time
  if (found.status == KEYSTONEMAIL_UNAVAILABLE) return finish(directory, request, found.status);
  if (found.status != KEYSTONEMAIL_OK || found.user.password != view(password)) return finish(directory, request, KEYSTONEMAIL_DENIED);
  finish_with(directory, request, found.user);
}
void find_account(void* directory, keystonemail_request request, keystonemail_text login) {
  const auto found = find_address(directory, login);
  found.status == KEYSTONEMAIL_OK ? finish_with(directory, request, found.user) : finish(directory, request, found.status);
}
void may_send_as(void* directory, keystonemail_request request, uint32_t account, keystonemail_text address) {
  const auto found = find_address(directory, address);
  if (found.status == KEYSTONEMAIL_UNAVAILABLE) return finish(directory, request, found.status);
  finish(directory, request, found.status == KEYSTONEMAIL_OK && found.user.id == account ? KEYSTONEMAIL_OK : KEYSTONEMAIL_NO);
}

const keystonemail_directory_plugin table{KEYSTONEMAIL_DIRECTORY_PLUGIN_VERSION, sizeof table, "users_file", open, close,
                                          is_local_domain, resolve, authenticate, find_account, may_send_as, nullptr};

}  // namespace

extern "C" const keystonemail_directory_plugin* keystonemail_directory_plugin_entry(void) { return &table; }
