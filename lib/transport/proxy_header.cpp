// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// "The PROXY protocol, versions 1 & 2" (haproxy.org, proxy-protocol.txt); § numbers are its sections.
#include "keystonemail/transport/proxy_header.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstdint>
#include <string>
#include <utility>

#include "base/try.hpp"
#include "keystonemail/base/text.hpp"

namespace keystonemail::transport {

namespace {

using namespace std::string_view_literals;

constexpr auto v1_prefix = "PROXY "sv;
constexpr auto v2_signature = "\r\n\r\n\0\r\nQUIT\n"sv;  // §2.2
constexpr std::size_t v2_fixed_octets = 16;
static_assert(v2_signature.size() == 12);

bool may_become(std::string_view octets, std::string_view prefix) {
  return octets.substr(0, prefix.size()) == prefix.substr(0, octets.size());
}

// One field of a version 1 line, up to the next single space.
std::string_view take_field(std::string_view& line) {
  const std::size_t end = std::min(line.find(' '), line.size());
  const auto field = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return field;
}

std::optional<std::uint16_t> port(std::string_view text) {
  if (text.size() > 1 && text.front() == '0') return std::nullopt;  // §2.1: no leading zeroes
  const auto number = parse_decimal(text, 65'535);
  if (!number) return std::nullopt;
  return static_cast<std::uint16_t>(*number);
}

// §2.1  "PROXY" SP ("TCP4" | "TCP6") SP source SP destination SP source-port SP destination-port CRLF
std::optional<ProxyAddresses> parse_v1_addresses(std::string_view family, std::string_view line) {
  const auto client_text = take_field(line), server_text = take_field(line);
  const auto client = IpAddress::parse(client_text), server = IpAddress::parse(server_text);
  const auto client_port = port(take_field(line)), server_port = port(line);
  if (!client || !server || !client_port || !server_port) return std::nullopt;
  // By how they are written: IpAddress stores a mapped address as IPv4.
  const bool is_six = family == "TCP6";
  if (client_text.contains(':') != is_six || server_text.contains(':') != is_six) return std::nullopt;
  return ProxyAddresses{{*client, *client_port}, {*server, *server_port}};
}

ProxyParse parse_v1(std::string_view octets) {
  const auto window = octets.substr(0, limits::proxy_v1_octets_max);
  const std::size_t end = window.find("\r\n");
  // A CR must be followed by LF, and the line must end within its limit.
  const std::size_t stray = window.find_first_of("\r\n\0"sv);
  if (end == std::string_view::npos || stray != end) {
    const bool open = stray == std::string_view::npos || (window[stray] == '\r' && stray + 1 == window.size());
    if (open && window.size() < limits::proxy_v1_octets_max) return NeedMoreOctets{};
    return NotAProxyHeader{};
  }
  auto line = window.substr(v1_prefix.size(), end - v1_prefix.size());
  const auto family = take_field(line);
  if (family == "UNKNOWN") return ProxyHeader{end + 2, std::nullopt};  // §2.1: the rest is to be ignored
  if (family != "TCP4" && family != "TCP6") return NotAProxyHeader{};
  const auto addresses = parse_v1_addresses(family, line);
  if (!addresses) return NotAProxyHeader{};
  return ProxyHeader{end + 2, addresses};
}

std::uint16_t big_endian(std::string_view two) {
  return static_cast<std::uint16_t>(static_cast<std::uint8_t>(two[0]) << 8 | static_cast<std::uint8_t>(two[1]));
}

template <std::size_t N>
std::array<std::uint8_t, N> octet_array(std::string_view text) {
  assert(text.size() >= N);
  std::array<std::uint8_t, N> out;
  std::transform(text.begin(), text.begin() + N, out.begin(), [](char c) { return static_cast<std::uint8_t>(c); });
  return out;
}

// §2.2: 12 octets of signature, version and command, family and transport, length, addresses, extensions.
ProxyParse parse_v2(std::string_view octets) {
  if (octets.size() < v2_fixed_octets) {
    if (octets.size() > 12 && static_cast<std::uint8_t>(octets[12]) >> 4 != 2) return NotAProxyHeader{};
    return NeedMoreOctets{};
  }
  const auto version_and_command = static_cast<std::uint8_t>(octets[12]), family = static_cast<std::uint8_t>(octets[13]);
  const std::size_t length = big_endian(octets.substr(14)), total = v2_fixed_octets + length;
  if (version_and_command != 0x20 && version_and_command != 0x21) return NotAProxyHeader{};
  const bool is_local = version_and_command == 0x20;
  const std::size_t address_octets = family == 0x11 ? 12 : family == 0x21 ? 36 : 0;
  if (total > limits::proxy_v2_octets_max) return NotAProxyHeader{};
  if (!is_local && length < address_octets) return NotAProxyHeader{};
  if (octets.size() < total) return NeedMoreOctets{};
  if (is_local || address_octets == 0) return ProxyHeader{total, std::nullopt};  // AF_UNSPEC, AF_UNIX, datagrams
  const auto data = octets.substr(v2_fixed_octets, length);
  ProxyAddresses addresses;
  if (family == 0x11) {
    addresses = {{IpAddress::v4(octet_array<4>(data)), big_endian(data.substr(8))},
                 {IpAddress::v4(octet_array<4>(data.substr(4))), big_endian(data.substr(10))}};
  } else {
    addresses = {{IpAddress::v6(octet_array<16>(data)), big_endian(data.substr(32))},
                 {IpAddress::v6(octet_array<16>(data.substr(16))), big_endian(data.substr(34))}};
  }
  return ProxyHeader{total, addresses};
}

// A stream that has other addresses than its connection.
class ProxiedStream final : public ByteStream {
 public:
  ProxiedStream(std::unique_ptr<ByteStream> below, ProxyAddresses addresses)
      : below_(std::move(below)), addresses_(addresses) {}

  Task<Result<std::string_view>> read(Context context) override { return below_->read(std::move(context)); }
  void consume(std::size_t octets) noexcept override { below_->consume(octets); }
  [[nodiscard]] std::size_t unconsumed() const noexcept override { return below_->unconsumed(); }
  Task<Result<void>> write(std::span<const std::string_view> pieces, Context context) override {
    return below_->write(pieces, std::move(context));
  }
  Task<void> close(Context context) override { return below_->close(std::move(context)); }
  [[nodiscard]] const Endpoint& peer() const noexcept override { return addresses_.client; }
  [[nodiscard]] const Endpoint& local() const noexcept override { return addresses_.server; }

 private:
  std::unique_ptr<ByteStream> below_;
  ProxyAddresses addresses_;
};

}  // namespace

ProxyParse parse_proxy_header(std::string_view octets) noexcept {
  if (octets.starts_with(v2_signature)) return parse_v2(octets);
  if (octets.starts_with(v1_prefix)) return parse_v1(octets);
  if (may_become(octets, v2_signature) || may_become(octets, v1_prefix)) return NeedMoreOctets{};
  return NotAProxyHeader{};
}

Task<Result<std::unique_ptr<ByteStream>>> accept_proxy(std::unique_ptr<ByteStream> stream, Context context) {
  std::string seen;
  for (;;) {
    KM_CO_TRY(const std::string_view more, co_await stream->read(context));
    if (more.empty()) co_return fail(ErrorKind::invalid, {}, "the connection ended within the PROXY header");
    const std::size_t before = seen.size();
    seen.append(more.substr(0, limits::proxy_v2_octets_max));
    const ProxyParse parsed = parse_proxy_header(seen);
    if (std::holds_alternative<NotAProxyHeader>(parsed)) co_return fail(ErrorKind::invalid, {}, "bad PROXY header");
    const auto* header = std::get_if<ProxyHeader>(&parsed);
    if (!header) {
      stream->consume(seen.size() - before);
      continue;
    }
    assert(header->octets > before);
    stream->consume(header->octets - before);
    if (!header->addresses) co_return std::move(stream);
    co_return std::make_unique<ProxiedStream>(std::move(stream), *header->addresses);
  }
}

}  // namespace keystonemail::transport
