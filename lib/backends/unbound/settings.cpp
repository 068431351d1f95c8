// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/unbound/settings.hpp"

#include <unbound.h>

#include <array>
#include <string>

#include "base/try.hpp"

namespace keystonemail::unbound {
namespace {

// https://data.iana.org/root-anchors: KSK-2017 and KSK-2024.
constexpr std::array root_anchors{
    ". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D",
    ". IN DS 38696 8 2 683D2D0ACB8C9B712A1948B27F741219298D0A450D612C483AF444A4C0FB2B16"};

bool validates(const Options& options) {
  switch (options.validation) {
    case Validation::on: return true;
    case Validation::off: return false;
    case Validation::automatic: break;
  }
  return options.servers.empty() || !options.trust_anchors.empty() || !options.trust_anchor_file.empty();
}

Result<void> set(ub_ctx& context, const char* option, const std::string& value) {
  const int status = ub_ctx_set_option(&context, option, value.c_str());
  if (status == UB_NOERROR) return {};
  return fail(ErrorKind::unavailable, "the DNS resolver refused a setting",
              std::string(option) + " " + value + ": " + ub_strerror(status));
}

Result<void> set_limits(ub_ctx& context, const Options& options) {
  KM_CHECK(set(context, "msg-cache-size:", std::to_string(options.cache_octets / 3)));
  KM_CHECK(set(context, "rrset-cache-size:", std::to_string(options.cache_octets / 3 * 2)));
  KM_CHECK(set(context, "edns-buffer-size:", "1232"));     // no fragments
  KM_CHECK(set(context, "cache-max-negative-ttl:", "900"));
  return set(context, "infra-keep-probing:", "yes");       // a server that was down is asked again
}

Result<void> set_validation(ub_ctx& context, const Options& options) {
  if (!validates(options)) return set(context, "module-config:", "iterator");
  KM_CHECK(set(context, "module-config:", "validator iterator"));
  KM_CHECK(set(context, "val-nsec3-keysize-iterations:", "1024 50 2048 50 4096 50"));
  if (!options.trust_anchor_file.empty() && ub_ctx_add_ta_autr(&context, options.trust_anchor_file.c_str()) != UB_NOERROR) {
    return fail(ErrorKind::invalid, "the file of trust anchors cannot be read", options.trust_anchor_file);
  }
  for (const auto& anchor : options.trust_anchors) {
    if (ub_ctx_add_ta(&context, anchor.c_str()) != UB_NOERROR) return fail(ErrorKind::invalid, "a trust anchor is not one: " + anchor);
  }
  if (!options.trust_anchor_file.empty() || !options.trust_anchors.empty()) return {};
  for (const char* anchor : root_anchors) {
    if (ub_ctx_add_ta(&context, anchor) != UB_NOERROR) return fail(ErrorKind::internal, {}, "a built-in trust anchor");
  }
  return {};
}

// Recursing, names that are special (RFC 6761) and addresses of private networks are not asked of the Internet.
// A server that the administrator named is asked everything: it may well know them.
Result<void> set_servers(ub_ctx& context, const Options& options) {
  if (options.servers.empty()) return set(context, "use-caps-for-id:", "yes");
  KM_CHECK(set(context, "do-not-query-localhost:", "no"));
  KM_CHECK(set(context, "unblock-lan-zones:", "yes"));
  KM_CHECK(set(context, "insecure-lan-zones:", "yes"));
  for (const char* zone : {"localhost.", "127.in-addr.arpa.", "test.", "invalid.", "onion.", "home.arpa.",
                           "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.ip6.arpa."}) {
    KM_CHECK(set(context, "local-zone:", std::string(zone) + " transparent"));
  }
  for (const auto& server : options.servers) {
    const std::string address = server.address.to_string() + "@" + std::to_string(server.port);
    if (ub_ctx_set_fwd(&context, address.c_str()) != UB_NOERROR) return fail(ErrorKind::invalid, "a DNS server's address is wrong: " + address);
  }
  return {};
}

}  // namespace

Result<void> apply_settings(ub_ctx& context, const Options& options) {
  ub_ctx_debugout(&context, nullptr);
  ub_ctx_async(&context, 1);  // a thread, not a process
  KM_CHECK(set_limits(context, options));
  KM_CHECK(set_validation(context, options));
  KM_CHECK(set_servers(context, options));
  // libunbound reads its settings at the first use: this is one that asks nobody.
  if (ub_ctx_data_remove(&context, "settings-read.invalid.") == UB_NOERROR) return {};
  return fail(ErrorKind::invalid, "a DNS server or a trust anchor is not one");
}

}  // namespace keystonemail::unbound
