// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/base/ip_address.hpp"

#include <arpa/inet.h>

#include <algorithm>

#include "keystonemail/base/text.hpp"

namespace keystonemail {
namespace {

constexpr std::array<std::uint8_t, 12> mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

constexpr unsigned bits_of(IpAddress::Family family) { return family == IpAddress::Family::v4 ? 32 : 128; }

}  // namespace

IpAddress IpAddress::v4(std::array<std::uint8_t, 4> octets) noexcept {
  IpAddress out;
  std::ranges::copy(octets, out.octets_.begin());
  return out;
}

IpAddress IpAddress::v6(const std::array<std::uint8_t, 16>& octets) noexcept {
  if (std::equal(mapped_prefix.begin(), mapped_prefix.end(), octets.begin())) {
    return v4({octets[12], octets[13], octets[14], octets[15]});
  }
  IpAddress out;
  out.family_ = Family::v6;
  out.octets_ = octets;
  return out;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) noexcept {
  std::array<char, INET6_ADDRSTRLEN> copy{};  // inet_pton wants a terminator
  if (text.size() >= copy.size() || text.find('\0') != std::string_view::npos) return std::nullopt;
  std::ranges::copy(text, copy.begin());
  std::array<std::uint8_t, 4> four{};
  if (::inet_pton(AF_INET, copy.data(), four.data()) == 1) return v4(four);
  std::array<std::uint8_t, 16> sixteen{};
  if (::inet_pton(AF_INET6, copy.data(), sixteen.data()) == 1) return v6(sixteen);
  return std::nullopt;
}

std::string IpAddress::to_string() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(family_ == Family::v4 ? AF_INET : AF_INET6, octets_.data(), text.data(), text.size());
  return text.data();
}

std::string IpAddress::literal() const {
  return (family_ == Family::v4 ? "[" : "[IPv6:") + to_string() + "]";
}

bool IpAddress::is_loopback() const noexcept {
  if (family_ == Family::v4) return octets_[0] == 127;
  return octets_[15] == 1 && std::all_of(octets_.begin(), octets_.end() - 1, [](auto octet) { return octet == 0; });
}

bool IpAddress::is_public() const noexcept {
  // RFC 6890 and its registry; what embeds an IPv4 address is judged by that below.
  static constexpr std::string_view others[] = {"0.0.0.0/8",      "10.0.0.0/8",     "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
                                                "192.0.0.0/24",   "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/3", "::/96",          "64:ff9b:1::/48",
                                                "100::/64",       "fc00::/7",       "fe80::/10",     "fec0::/10",   "ff00::/8"};
  const bool is_other = std::ranges::any_of(others, [&](std::string_view network) {
    const auto parsed = IpNetwork::parse(network);
    return parsed && parsed->contains(*this);
  });
  if (is_other || family_ == Family::v4) return !is_other;
  const auto embedded = [&](std::size_t at) { return v4({octets_[at], octets_[at + 1], octets_[at + 2], octets_[at + 3]}); };
  if (IpNetwork::parse("64:ff9b::/96")->contains(*this)) return embedded(12).is_public();  // RFC 6052 §2.1
  if (IpNetwork::parse("2002::/16")->contains(*this)) return embedded(2).is_public();      // RFC 3056 §2
  return true;
}

IpAddress IpAddress::masked(unsigned bits) const noexcept {
  IpAddress out = *this;
  for (unsigned i = 0; i < out.octets_.size(); ++i) {
    const unsigned kept = bits > i * 8 ? std::min(bits - i * 8, 8U) : 0;
    out.octets_[i] = static_cast<std::uint8_t>(out.octets_[i] & (0xff00U >> kept));
  }
  return out;
}

std::optional<IpNetwork> IpNetwork::parse(std::string_view text) noexcept {
  const auto slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  const unsigned width = bits_of(address->family());
  if (slash == std::string_view::npos) return IpNetwork{*address, width};
  const auto bits = parse_decimal(text.substr(slash + 1), width);
  if (!bits) return std::nullopt;
  return IpNetwork{address->masked(static_cast<unsigned>(*bits)), static_cast<unsigned>(*bits)};
}

bool IpNetwork::contains(const IpAddress& candidate) const noexcept {
  return candidate.family() == address.family() && candidate.masked(prefix_bits) == address;
}

std::string IpNetwork::to_string() const { return address.to_string() + "/" + std::to_string(prefix_bits); }

std::optional<Endpoint> Endpoint::parse(std::string_view text) noexcept {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  auto host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (!bracketed && host.find(':') != std::string_view::npos) return std::nullopt;
  const auto address = IpAddress::parse(host);
  const auto port = parse_decimal(text.substr(colon + 1), 65535);
  if (!address || !port) return std::nullopt;
  return Endpoint{*address, static_cast<std::uint16_t>(*port)};
}

std::string Endpoint::to_string() const {
  const std::string host = address.to_string();
  return (address.family() == IpAddress::Family::v4 ? host : "[" + host + "]") + ":" + std::to_string(port);
}

}  // namespace keystonemail
