// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// XML 1.0, for documents that are data: elements and their text. Private to the library.
//
// Ownership: `document` and `handler` are borrowed for the call. Threads: one handler, one thread.
// Errors: invalid (not well-formed, or with a document type declaration: none is needed here, and entities are what XML
//   bombs and disclosures are made of), too_large (limits).
// Limits: limits below; linear in the document.
#pragma once

#include <cstddef>
#include <string_view>

#include "keystonemail/base/result.hpp"

namespace keystonemail::xml {

namespace limits {
inline constexpr std::size_t document_octets_max = 64U << 20;
inline constexpr std::size_t depth_max = 32;
inline constexpr std::size_t elements_max = 2'000'000;
inline constexpr std::size_t text_octets_max = 4'096;  // of one element; what is longer is cut
}  // namespace limits

// Names are as written, with their prefix, in UTF-8 as the text is. Views live for the call.
class Handler {
 public:
  virtual ~Handler() = default;
  virtual void begin(std::string_view name) = 0;
  // `text` is what stood in the element since its last child, references resolved.
  virtual void end(std::string_view name, std::string_view text) = 0;
};

// In UTF-8, UTF-16, or any charset of one octet a character that the document names.
[[nodiscard]] Result<void> parse(std::string_view document, Handler& handler);

}  // namespace keystonemail::xml
