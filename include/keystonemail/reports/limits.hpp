// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What one report may hold. Whoever knows the address can send any, and what is kept of them is read again and again.
#pragma once

#include <cstddef>
#include <cstdint>

namespace keystonemail::reports::limits {

inline constexpr std::size_t document_octets_max = 10'000'000;    // of a file that came in, unpacked (attack C9)
inline constexpr std::size_t archive_levels_max = 3;              // a gzip in a zip is two
inline constexpr std::size_t documents_max = 16;                  // of one message
inline constexpr std::size_t parts_max = 50;                      // of a message that are looked at
inline constexpr std::size_t text_octets_max = 500;               // of one value; what is longer is cut
inline constexpr std::size_t records_max = 10'000;                // of an aggregate report; others are counted
inline constexpr std::size_t signatures_max = 20;                 // of one record (RFC 9990 §3.1.3 says 100 for those who write)
inline constexpr std::size_t reasons_max = 5;                     // of one record
inline constexpr std::size_t errors_max = 10;                     // of an aggregate report
inline constexpr std::size_t json_octets_max = 4U << 20;          // of a TLS report, as each value takes some memory
inline constexpr std::size_t json_values_max = 200'000;
inline constexpr std::size_t policies_max = 100;                  // of a TLS report
inline constexpr std::size_t policy_strings_max = 100;            // of one of its policies
inline constexpr std::size_t failures_max = 5'000;                // of a TLS report
inline constexpr std::size_t report_uris_max = 10;                // of a TLSRPT record
inline constexpr std::size_t header_octets_max = 64U << 10;       // of a message that a failure report tells of
inline constexpr std::uint64_t count_max = 1'000'000'000'000;     // of messages or sessions; more is no count

}  // namespace keystonemail::reports::limits
