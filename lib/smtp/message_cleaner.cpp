// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "smtp/message_cleaner.hpp"

#include "smtp/message_scanner.hpp"

namespace keystonemail::smtp {

void MessageCleaner::append(std::string& out, std::string_view octets) {
  const bool dots = stuffing_ == Stuffing::dots;
  while (!octets.empty()) {
    const char first = octets.front();
    if (after_cr_) {  // the CR has gone out, so LF must follow it
      after_cr_ = false;
      line_start_ = true;
      out += '\n';
      if (first == '\n') octets.remove_prefix(1);
      continue;
    }
    if (first == '\n') {
      out += "\r\n";
      line_start_ = true;
      octets.remove_prefix(1);
      continue;
    }
    if (first == '.' && line_start_ && dots) out += '.';
    const std::string_view sound = octets.substr(0, find_notable(octets, dots ? Dots::notable : Dots::ignored));
    out += sound;
    after_cr_ = sound.back() == '\r';
    line_start_ = sound.back() == '\n';
    octets.remove_prefix(sound.size());
  }
}

void MessageCleaner::finish(std::string& out) {
  if (after_cr_) {
    out += '\n';
  } else if (!line_start_) {
    out += "\r\n";
  }
  after_cr_ = false;
  line_start_ = true;
}

}  // namespace keystonemail::smtp
