// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// PreviewMaker picks the part of a message that is read first and makes a short text of it (RFC 8970 §3.1).
#pragma once

#include <string>

#include "keystonemail/mime/content_type.hpp"
#include "keystonemail/mime/message.hpp"

namespace keystonemail::mime {

class PreviewMaker {
 public:
  // Borrows `message`.
  explicit PreviewMaker(const Message& message) noexcept : message_(message) {}

  // Looks at the parts in their order.
  void consider(const Part& part, const ContentType& type);
  // At most limits::preview_characters code points in one line.
  [[nodiscard]] std::string make() const;

 private:
  const Message& message_;
  const Part* text_ = nullptr;
  bool is_html_ = false;
  std::string charset_;
};

}  // namespace keystonemail::mime
