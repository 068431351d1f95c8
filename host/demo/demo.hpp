// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The demo: a whole server on loopback with two accounts, that shows itself what it does with a message.
#pragma once

#include <cstdint>
#include <string>

namespace keystonemail::host::demo {

// Where each protocol is to be found, on 127.0.0.1.
struct Ports {
  std::uint16_t smtp = 2525, submission = 2587, submissions = 2465, imap = 2143, imaps = 2993;
};

struct Person {
  std::string login;
  std::string password;
  std::string app_password;  // the same account, for clients that use SCRAM
};

// What there is to connect to.
struct Scene {
  Ports ports;
  Person alice, bob;
  std::string certificate_pem;
  std::string certificate_path;  // empty when nothing is on disk
};

}  // namespace keystonemail::host::demo
