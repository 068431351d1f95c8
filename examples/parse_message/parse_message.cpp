// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Prints what is in a message: who, what, and its parts with their sizes.
//
//   parse_message < message.eml
#include <cstdio>
#include <iostream>
#include <iterator>
#include <string>

#include "keystonemail/mime/message.hpp"
#include "keystonemail/mime/summary.hpp"

using namespace keystonemail;

int main() {
  const std::string raw{std::istreambuf_iterator<char>(std::cin), {}};
  const auto message = mime::Message::parse(raw);            // views into `raw`; never fails, whatever it is given
  const std::string encoded = mime::encode_summary(message);
  const mime::Summary summary(encoded);

  const auto envelope = summary.envelope();
  for (const auto& from : envelope.from) {
    std::cout << "from     " << from.name << " <" << from.local_part << '@' << from.domain << ">\n";
  }
  std::cout << "subject  " << envelope.subject.value_or("(none)") << "\npreview  " << summary.preview() << "\n";
  for (const auto& part : summary.parts()) {
    std::cout << "part     " << part.type << '/' << part.subtype << ", " << part.body_octets() << " octets";
    if (const auto name = part.file_name(); !name.empty()) std::cout << ", " << name;
    std::cout << '\n';
  }
  for (const auto& defect : message.defects()) {
    std::cout << "defect   " << to_string(defect.kind) << " at " << defect.offset << '\n';
  }
}
