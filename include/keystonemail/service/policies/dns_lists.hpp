// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// policies: what lists in the DNS say about a stranger (RFC 5782): DNSBL, DNSWL and lists of domains.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/log.hpp"
#include "keystonemail/policy/policy.hpp"
#include "keystonemail/resolver/resolver.hpp"

namespace keystonemail::policies {

// What a list can be asked about.
enum class ListedThing : std::uint8_t { address, helo, sender };

// Answers that count. Whatever they are, an answer outside 127.0.0.0/8 is no answer of a list (RFC 5782 §2.1), and 127.255.255.0/24
// is what lists answer resolvers that they do not serve.
struct ListCodes {
  IpAddress first, last;
  std::uint8_t bits = 0;  // not zero: the last octet has one of these, besides

  // "127.0.0.2", "127.0.0.4-127.0.0.7", "127.0.0.0/24", or "127.0.0.0&12" for bits of the last octet. Nothing: none of these.
  [[nodiscard]] static std::optional<ListCodes> parse(std::string_view text);
  [[nodiscard]] bool cover(const IpAddress& answer) const noexcept;
};

struct DnsList {
  std::string zone;                      // "bl.example.net"
  ListedThing of = ListedThing::address;
  int weight = 10;                       // below zero: being listed speaks for the client, which is not greylisted then
  std::vector<ListCodes> codes = {};     // empty: all
  bool self_test = true;                 // ask for its test entries, and leave it alone when they are not as they should be
};

struct DnsListOptions {
  std::vector<DnsList> lists;
  // Of the sum of weights, of each list once. Zero: never.
  int reject_at = 10;
  int quarantine_at = 0;
  int tag_at = 1;                        // an X-Listed field
  std::chrono::milliseconds time_max{10'000};
  std::chrono::seconds test_every{3'600};
  std::chrono::seconds test_again{600};  // a list that was switched off
  std::vector<IpNetwork> exempt = {};
};

// Asks all lists at once when a stranger says MAIL; refuses its recipients, or quarantines or marks the message, by the sum of
// their weights; tells others by the tags "dnsbl" (the sum) and "dnswl" ("listed").
//
// A list that has no test entry, or has everybody (RFC 5782 §5), or refuses our resolver, or answers outside 127.0.0.0/8, is
// switched off until it does better. A DNS that cannot answer says nothing about anybody: it never refuses and never defers.
//
// Threads: any. Ownership: borrows resolver and log. Limits: lists_max; time_max for all questions of a message.
class DnsLists final : public policy::Policy {
 public:
  static constexpr std::size_t lists_max = 64;
  static constexpr std::string_view field_name = "X-Listed";

  DnsLists(resolver::Resolver& resolver, Log& log, DnsListOptions options);
  ~DnsLists() override;
  [[nodiscard]] std::string_view name() const noexcept override { return "dns-lists"; }
  [[nodiscard]] std::unique_ptr<policy::Inspector> inspect(const policy::Connection& connection) override;

  // How each list does, in the order of the options. Empty: it is in use.
  struct Standing {
    std::string zone;
    std::string why_off;
  };
  [[nodiscard]] std::vector<Standing> standings() const;

 private:
  struct State;
  class Session;
  std::shared_ptr<State> state_;
};

}  // namespace keystonemail::policies
