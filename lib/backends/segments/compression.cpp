// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/segments/compression.hpp"

#include <lz4.h>

#include "backends/segments/dictionary.hpp"

namespace keystonemail::segments {

bool compress(std::string& out, std::string_view content, Dictionary dictionary) {
  const std::size_t before = out.size();
  const std::size_t worth = content.size() - content.size() / 8;
  out.resize(before + worth);
  LZ4_stream_t stream;
  LZ4_initStream(&stream, sizeof stream);
  if (dictionary == Dictionary::mail) LZ4_loadDict(&stream, mail_dictionary.data(), static_cast<int>(mail_dictionary.size()));
  const int octets = LZ4_compress_fast_continue(&stream, content.data(), out.data() + before, static_cast<int>(content.size()),
                                                static_cast<int>(worth), 1);
  out.resize(before + (octets > 0 ? static_cast<std::size_t>(octets) : 0));
  return octets > 0;
}

bool decompress(std::string& out, std::string_view stored, std::size_t octets, Dictionary dictionary) {
  const std::size_t before = out.size();
  out.resize(before + octets);
  const auto dictionary_text = dictionary == Dictionary::mail ? mail_dictionary : std::string_view();
  const int got = LZ4_decompress_safe_usingDict(stored.data(), out.data() + before, static_cast<int>(stored.size()),
                                                static_cast<int>(octets), dictionary_text.data(),
                                                static_cast<int>(dictionary_text.size()));
  if (got >= 0 && static_cast<std::size_t>(got) == octets) return true;
  out.resize(before);
  return false;
}

}  // namespace keystonemail::segments
