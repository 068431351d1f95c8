// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Archives and messages of any octets: what comes out keeps its limits, however it is packed.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "keystonemail/codec/archive.hpp"
#include "keystonemail/reports/limits.hpp"
#include "keystonemail/reports/report_reader.hpp"

using namespace keystonemail;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string_view octets(reinterpret_cast<const char*>(data), size);
  constexpr std::size_t most = 1'000'000;
  if (const auto text = codec::gunzip(octets, most)) {
    if (text->size() > most) __builtin_trap();
    if (codec::gunzip(codec::gzip(*text), most, SIZE_MAX) != *text) __builtin_trap();
  }
  if (const auto files = codec::unzip(octets, most)) {
    std::size_t all = 0;
    for (const auto& file : *files) all += file.octets.size();
    if (all > most || files->size() > codec::limits::zip_files_max) __builtin_trap();
  }
  for (const auto& found : {reports::read_file(octets), reports::read_message(octets)}) {
    if (found.aggregates.size() + found.tls.size() > reports::limits::documents_max) __builtin_trap();
    if (found.failures.size() > reports::limits::documents_max) __builtin_trap();
  }
  return 0;
}
