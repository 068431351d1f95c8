// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// MailSite: what a mail server has on the web: the MTA-STS policies of its domains (RFC 8461 §3.3), and what is added to its own name.
// PlainSite: where it sends people who come without TLS.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include "keystonemail/directory/directory.hpp"
#include "keystonemail/mailauth/mta_sts/policy.hpp"
#include "keystonemail/service/web/site.hpp"

namespace keystonemail::web {

// The policy that domains of ours have, all of them alike.
struct OwnPolicy {
  mailauth::mta_sts::Mode mode = mailauth::mta_sts::Mode::enforce;
  std::chrono::seconds max_age{604'800};            // RFC 8461 §3.2: weeks; a week lets a change be seen
};
// RFC 8461 §3.2: the file, for domains whose mail goes to `hostname`.
[[nodiscard]] std::string own_policy_text(const OwnPolicy& policy, std::string_view hostname);
// RFC 8461 §3.1: the `id` of the record, which is another for each other text.
[[nodiscard]] std::string own_policy_id(std::string_view text);

// Ownership: borrows the directory. Threads: any.
class MailSite final : public Site {
 public:
  MailSite(std::string hostname, OwnPolicy policy, directory::Directory& directory);

  // To what the server's own name has. REQUIRES: nobody is served yet.
  void add(std::string method, std::string path, Router::Handler handler) { own_.add(std::move(method), std::move(path), std::move(handler)); }

  // Given from now on.
  void set_policy(OwnPolicy policy);
  // The server's own name, and mta-sts.DOMAIN for each domain of ours.
  [[nodiscard]] Task<Result<bool>> has_host(std::string_view host, Context context) override;
  [[nodiscard]] Task<void> serve(Exchange& exchange, Context context) override;

 private:
  const std::string hostname_;
  directory::Directory& directory_;
  [[nodiscard]] std::string policy_text() const;

  mutable std::mutex mutex_;
  std::string policy_text_;                         // guarded by mutex_
  Router policies_;                                 // of mta-sts.DOMAIN
  Router own_;                                      // of the server's own name
};

// Has the hosts of another site, and sends whoever reads from them there.
//
// Ownership: borrows the site. Threads: any.
class PlainSite final : public Site {
 public:
  // `https_port` zero: there is no such place, and everything is 404.
  PlainSite(Site& secure, std::uint16_t https_port) : secure_(secure), https_port_(https_port) {}

  [[nodiscard]] Task<Result<bool>> has_host(std::string_view host, Context context) override { return secure_.has_host(host, std::move(context)); }
  [[nodiscard]] Task<void> serve(Exchange& exchange, Context context) override;

 private:
  Site& secure_;
  const std::uint16_t https_port_;
};

}  // namespace keystonemail::web
