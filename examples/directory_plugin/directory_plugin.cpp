// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Loads a directory plugin, as the program does for [directory] type = "plugin", and asks it about an address.
//
//   directory_plugin /absolute/path/users_file.so USERS ADDRESS
#include <iostream>

#include "keystonemail/backends/plugin/directory.hpp"

using namespace keystonemail;

int main(int count, char** arguments) {
  if (count != 4) return 2;
  NullLog log;
  RunLoop loop;
  const auto users = plugin::open_directory({.path = arguments[1], .configuration = arguments[2]}, log);
  if (!users) {
    std::cerr << users.error().text() << '\n';
    return 1;
  }
  const auto found = loop.run_until((*users)->resolve(arguments[3], {&loop}));
  if (!found) std::cout << "cannot tell now: " << found.error().text() << '\n';
  else if (std::holds_alternative<directory::NotLocal>(*found)) std::cout << "not ours\n";
  else if (const auto* mailboxes = std::get_if<directory::Mailboxes>(&*found))
    std::cout << "account " << static_cast<std::uint32_t>(mailboxes->local.front().account) << '\n';
  else std::cout << "unknown\n";
}
