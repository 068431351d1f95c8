// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/segments/compression.hpp"

#include <lz4.h>

#include "backends/segments/dictionary.hpp"

namespace keystonemail::segments {

bool compress(std::string& out, std::string_view content, Dictionary dictionary, unsigned eighths_max) {
  const std::size_t before = out.size();
  const std::size_t worth = content.size() - content.size() / 8 * (8 - eighths_max);
  int octets = 0;
  LZ4_stream_t stream;
  LZ4_initStream(&stream, sizeof stream);
  if (dictionary == Dictionary::mail) LZ4_loadDict(&stream, mail_dictionary.data(), static_cast<int>(mail_dictionary.size()));
  out.resize_and_overwrite(before + worth, [&](char* text, std::size_t) {
    octets = LZ4_compress_fast_continue(&stream, content.data(), text + before, static_cast<int>(content.size()),
                                        static_cast<int>(worth), 1);
    return before + (octets > 0 ? static_cast<std::size_t>(octets) : 0);
  });
  return octets > 0;
}

bool decompress(std::string& out, std::string_view stored, std::size_t octets, Dictionary dictionary) {
  const std::size_t before = out.size();
  const auto dictionary_text = dictionary == Dictionary::mail ? mail_dictionary : std::string_view();
  bool whole = false;
  out.resize_and_overwrite(before + octets, [&](char* text, std::size_t) {
    const int got = LZ4_decompress_safe_usingDict(stored.data(), text + before, static_cast<int>(stored.size()),
                                                  static_cast<int>(octets), dictionary_text.data(),
                                                  static_cast<int>(dictionary_text.size()));
    whole = got >= 0 && static_cast<std::size_t>(got) == octets;
    return whole ? before + octets : before;
  });
  return whole;
}

}  // namespace keystonemail::segments
