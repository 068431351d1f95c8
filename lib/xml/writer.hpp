// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Writes XML 1.0 in UTF-8, indented. Private to the library.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace keystonemail::xml {

// Ownership: a value. Threads: not synchronised. Text of any octets comes out well-formed: what XML cannot hold, and what is
// not UTF-8, becomes U+FFFD.
class Writer {
 public:
  Writer() : out_("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n") {}
  // REQUIRES: a name; the namespace a URI without quotes and "&".
  Writer& open(std::string_view name, std::string_view xml_namespace = {});
  Writer& close();
  // An element that holds text.
  Writer& element(std::string_view name, std::string_view text);
  Writer& element(std::string_view name, std::uint64_t number) { return element(name, std::to_string(number)); }
  // REQUIRES: all is closed.
  [[nodiscard]] std::string take();

 private:
  void indent() { out_.append(open_.size() * 2, ' '); }

  std::string out_;
  std::vector<std::string> open_;
};

}  // namespace keystonemail::xml
