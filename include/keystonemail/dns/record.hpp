// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The resource records that mail needs, each as a type of its own.
//
// Ownership: values. Threads: plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "keystonemail/base/ip_address.hpp"
#include "keystonemail/dns/name.hpp"

namespace keystonemail::dns {

// The numbers are those of the wire (RFC 6895 §3.1); others are values of the type too, and are opaque.
enum class RecordType : std::uint16_t {
  a = 1,       // RFC 1035 §3.4.1
  ns = 2,      // RFC 1035 §3.3.11
  cname = 5,   // RFC 1035 §3.3.1
  soa = 6,     // RFC 1035 §3.3.13
  ptr = 12,    // RFC 1035 §3.3.12
  mx = 15,     // RFC 1035 §3.3.9
  txt = 16,    // RFC 1035 §3.3.14
  aaaa = 28,   // RFC 3596 §2.1
  srv = 33,    // RFC 2782
  tlsa = 52,   // RFC 6698 §2.1
  caa = 257,   // RFC 8659 §4.1
};

// "MX"; "TYPE65280" for one without a name here (RFC 3597 §5).
[[nodiscard]] std::string to_string(RecordType type);
// The reverse, in any case.
[[nodiscard]] std::optional<RecordType> parse_record_type(std::string_view text);

struct A {
  IpAddress address;
  friend bool operator==(const A&, const A&) = default;
};
struct Aaaa {
  IpAddress address;                   // an IPv4-mapped one is the IPv4 address (base/ip_address.hpp)
  friend bool operator==(const Aaaa&, const Aaaa&) = default;
};
struct Cname {
  Name target;
  friend bool operator==(const Cname&, const Cname&) = default;
};
struct Ptr {
  Name target;
  friend bool operator==(const Ptr&, const Ptr&) = default;
};
struct Ns {
  Name target;
  friend bool operator==(const Ns&, const Ns&) = default;
};
struct Mx {
  std::uint16_t preference = 0;
  Name exchange;                       // the root: the domain takes no mail (RFC 7505)
  friend bool operator==(const Mx&, const Mx&) = default;
};
struct Txt {
  std::vector<std::string> strings;    // at least one, of at most 255 octets each
  // With nothing in between, as SPF (RFC 7208 §3.3), DKIM (RFC 6376 §3.6.2.2) and DMARC read it.
  [[nodiscard]] std::string joined() const;
  friend bool operator==(const Txt&, const Txt&) = default;
};
struct Soa {
  Name primary;
  Name mailbox;
  std::uint32_t serial = 0, refresh = 0, retry = 0, expire = 0, minimum = 0;
  friend bool operator==(const Soa&, const Soa&) = default;
};
struct Srv {
  std::uint16_t priority = 0, weight = 0, port = 0;
  Name target;                         // the root: the service is not there
  friend bool operator==(const Srv&, const Srv&) = default;
};
struct Tlsa {
  std::uint8_t usage = 0, selector = 0, matching_type = 0;
  std::string data;                    // octets
  friend bool operator==(const Tlsa&, const Tlsa&) = default;
};
struct Caa {
  std::uint8_t flags = 0;
  std::string tag;                     // in lower case
  std::string value;
  friend bool operator==(const Caa&, const Caa&) = default;
};
// Of a type that has no struct here.
struct Opaque {
  RecordType type{};
  std::string data;                    // RDATA, octets
  friend bool operator==(const Opaque&, const Opaque&) = default;
};

using RecordData = std::variant<A, Aaaa, Cname, Ptr, Ns, Mx, Txt, Soa, Srv, Tlsa, Caa, Opaque>;

[[nodiscard]] RecordType type_of(const RecordData& data) noexcept;
// As a zone file has it (RFC 1035 §5.1, RFC 3597 §5 for the opaque): "10 mx.example.com.".
[[nodiscard]] std::string to_string(const RecordData& data);

// A record in its place.
struct Record {
  Name owner;
  std::uint32_t ttl = 0;               // seconds
  RecordData data;
  friend bool operator==(const Record&, const Record&) = default;
};

}  // namespace keystonemail::dns
