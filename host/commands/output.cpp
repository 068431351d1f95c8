// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <cstdio>

#include "base/format.hpp"
#include "commands/commands.hpp"
#include "keystonemail/base/text.hpp"
#include "operations/offline.hpp"

namespace keystonemail::host {

// RFC 8259 §7. What is not UTF-8 becomes U+FFFD.
std::string json_text(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const auto point = decode_utf8(text);
    const char32_t c = point ? point->value : 0xFFFD;
    if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c < 0x20 || c == 0x7F) {
      format_to(out, "\\u{:04x}", static_cast<unsigned>(c));
    } else {
      append_utf8(out, c);
    }
    text.remove_prefix(point ? point->octets : 1);
  }
  return out + '"';
}

int report_error(Output output, std::string_view error, int status) {
  if (output == Output::json) {
    std::printf("{\"ok\":false,\"error\":%s}\n", json_text(error).c_str());
  } else {
    std::fprintf(stderr, "keystone-mail: %.*s\n", static_cast<int>(error.size()), error.data());
  }
  return status;
}

std::string json_list(const std::vector<std::string>& all) {
  std::string out = "[";
  for (const std::string& one : all) out += (out.size() > 1 ? "," : "") + json_text(one);
  return out + "]";
}

AdminReply failed(const Error& error) {
  AdminReply reply;
  reply.status = 1;
  reply.error = error_text(error);
  return reply;
}

}  // namespace keystonemail::host
