// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A message in pieces of any size: the header gathered, the body handed on. Private to lib/mailauth.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "keystonemail/mime/header.hpp"
#include "keystonemail/mime/limits.hpp"

namespace keystonemail::mailauth {

// Limits: mime::limits::header_octets_max; of a longer header nothing is kept.
class MessageIntake {
 public:
  // Takes octets of the header off the front of `piece`; what is left belongs to the body.
  void receive(std::string_view& piece) {
    if (complete_) return;
    const auto end = finder_.find(piece);
    const std::string_view part = piece.substr(0, end.value_or(piece.size()));
    if (header_.size() + part.size() > mime::limits::header_octets_max) overflowed_ = true;
    if (!overflowed_) header_ += part;
    piece.remove_prefix(part.size());
    if (end) complete();
  }
  // The message is over, or its header is.
  void complete() {
    complete_ = true;
    if (overflowed_) header_ = {};
  }

  [[nodiscard]] bool header_complete() const noexcept { return complete_; }
  [[nodiscard]] bool overflowed() const noexcept { return overflowed_; }
  // Does not move once the header is complete. REQUIRES: the intake is not moved either.
  [[nodiscard]] std::string_view header() const noexcept { return header_; }

 private:
  mime::HeaderEndFinder finder_;
  std::string header_;
  bool complete_ = false;
  bool overflowed_ = false;
};

}  // namespace keystonemail::mailauth
