// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Reads messages, each behind a line with its length, and prints a line for each: whether it is flagged, and its leaves.
// For differential.py.
#include <cstdio>
#include <iostream>
#include <string>

#include "keystonemail/mime/message.hpp"
#include "keystonemail/mime/summary.hpp"

using namespace keystonemail;

int main() {
  std::string length, raw;
  while (std::getline(std::cin, length)) {
    raw.resize(std::stoull(length));
    std::cin.read(raw.data(), static_cast<std::streamsize>(raw.size()));
    const auto message = mime::Message::parse(raw);
    const std::string encoded = mime::encode_summary(message);
    std::cout << (message.ambiguous() ? "ambiguous" : message.defects().empty() ? "clean" : "defective");
    for (const auto& part : mime::Summary(encoded).parts()) {
      if (part.kind != mime::PartKind::leaf) continue;
      std::cout << ' ' << part.type << '/' << part.subtype << ':' << part.body_octets();
    }
    std::cout << '\n';
  }
}
