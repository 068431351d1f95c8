// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Reports as messages, with CRLF line ends (RFC 9990 §3.5.2, RFC 8460 §5.3, RFC 6591 §3), and where they go.
//
// Ownership: values. Threads: pure functions. Errors: as said. What strangers said is one line of printable text (attack A10).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "keystonemail/reports/dmarc_aggregate.hpp"
#include "keystonemail/reports/failure_report.hpp"
#include "keystonemail/reports/tls_report.hpp"

namespace keystonemail::reports {

struct Cover {
  std::string from;                    // an address; its domain is the submitter
  std::string to;                      // an address
  std::string unique;                  // for the Message-ID and boundaries: letters and digits
  WallTime now{};
};

// REQUIRES: an address.
[[nodiscard]] std::string_view domain_of(std::string_view address) noexcept;

// "mail.receiver.example!example.com!1013662812!1013749130!unique.xml.gz"
[[nodiscard]] std::string file_name(const AggregateReport& report, std::string_view submitter);
[[nodiscard]] std::string file_name(const TlsReport& report, std::string_view submitter, std::string_view domain);

// `archive` is the report, gzipped.
[[nodiscard]] std::string aggregate_mail(const AggregateReport& report, std::string_view archive, const Cover& cover);
// `domain` is whose report it is.
[[nodiscard]] std::string tls_mail(const TlsReport& report, std::string_view domain, std::string_view archive, const Cover& cover);
[[nodiscard]] std::string failure_mail(const FailureReport& report, const Cover& cover);
// A report was too large for everybody who asked for it (RFC 7489 §7.2.2).
[[nodiscard]] std::string size_mail(const AggregateReport& report, std::uint64_t octets, std::string_view uris, const Cover& cover);

// Where a URI of rua= or ruf= leads.
struct Destination {
  enum class Scheme : std::uint8_t { mailto, https };
  Scheme scheme = Scheme::mailto;
  std::string address;                 // of mailto (RFC 6068): one address, and the wishes for its header left out
  std::string url;                     // of https
  std::string host;                    // of either, A-labels
};
// Nothing for other schemes, and for what is no address or host.
[[nodiscard]] std::optional<Destination> parse_destination(std::string_view uri);

}  // namespace keystonemail::reports
