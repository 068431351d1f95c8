// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/web/mail_site.hpp"

#include <utility>

#include "keystonemail/base/text.hpp"
#include "keystonemail/crypto/digest.hpp"

namespace keystonemail::web {
namespace {

constexpr std::string_view policy_prefix = "mta-sts.";                        // RFC 8461 §3.3
constexpr std::string_view policy_path = "/.well-known/mta-sts.txt";
constexpr std::size_t policy_id_octets = 16;                                   // of at most 32 (RFC 8461 §3.1)

}  // namespace

std::string own_policy_text(const OwnPolicy& policy, std::string_view hostname) {
  const mailauth::mta_sts::Policy whole{.mode = policy.mode, .max_age = policy.max_age, .patterns = {to_lower(hostname)}};
  return whole.text();
}

std::string own_policy_id(std::string_view text) { return crypto::to_hex(crypto::digest(crypto::Hash::sha256, text)).substr(0, policy_id_octets); }

MailSite::MailSite(std::string hostname, OwnPolicy policy, directory::Directory& directory)
    : hostname_(to_lower(hostname)), directory_(directory), policy_text_(own_policy_text(policy, hostname_)) {
  policies_.add("GET", std::string(policy_path), [this](Exchange& exchange, Context) -> Task<void> {
    exchange.respond({.fields = {{"Content-Type", "text/plain"}}}, policy_text());  // RFC 8461 §3.3
    co_return;
  });
}

void MailSite::set_policy(OwnPolicy policy) {
  std::string text = own_policy_text(policy, hostname_);
  const std::lock_guard lock(mutex_);
  policy_text_ = std::move(text);
}

std::string MailSite::policy_text() const {
  const std::lock_guard lock(mutex_);
  return policy_text_;
}

Task<Result<bool>> MailSite::has_host(std::string_view host, Context context) {
  if (host.empty()) co_return false;
  if (host == hostname_) co_return true;
  if (!host.starts_with(policy_prefix)) co_return false;
  co_return co_await directory_.is_local_domain(host.substr(policy_prefix.size()), std::move(context));
}

Task<void> MailSite::serve(Exchange& exchange, Context context) {
  const bool is_own = exchange.request().authority.host == hostname_;
  return (is_own ? own_ : policies_).route(exchange, std::move(context));
}

Task<void> PlainSite::serve(Exchange& exchange, Context) {
  const http::RequestHead& request = exchange.request();
  if (https_port_ == 0 || (request.method != "GET" && request.method != "HEAD") || !request.target.starts_with('/')) {
    respond_plainly(exchange, 404);
    co_return;
  }
  http::Authority there = request.authority;
  there.port = https_port_ == 443 ? std::nullopt : std::optional(https_port_);
  respond_plainly(exchange, 308, {{"Location", "https://" + there.to_string() + request.target}});
}

}  // namespace keystonemail::web
