// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Which hosts take the mail of a domain (RFC 5321 §5.1, RFC 7505), from what the DNS said.
#pragma once

#include <variant>
#include <vector>

#include "keystonemail/base/random.hpp"
#include "keystonemail/dns/answer.hpp"
#include "keystonemail/smtp/reply.hpp"

namespace keystonemail::relay {

// In the order in which they are tried.
struct MailHosts {
  std::vector<dns::Name> hosts;   // at least one
  bool implicit = false;          // there are no MX records: the domain itself
};
// Why there are none. A fault of the DNS is a temporary reply, never a permanent one.
struct NoMailHosts {
  smtp::Reply reply;
};
using MailHostsChoice = std::variant<MailHosts, NoMailHosts>;

// From the answer to the question for `domain`'s MX records. Equal preferences are shuffled. Where we are `own_name` among
// them, only those preferred to us are left, as mail would go in circles otherwise.
// Threads: a pure function but for `random`. Limits: those of the answer.
[[nodiscard]] MailHostsChoice choose_mail_hosts(const dns::Name& domain, const dns::Answer& mx, const dns::Name& own_name,
                                                Random& random);

// What is said of a host that has no address, when its A and AAAA records were asked for: temporary when either could
// not be.
[[nodiscard]] smtp::Reply reply_for_no_address(const dns::Name& host, const dns::Answer& a, const dns::Answer& aaaa);
// The same for a question that the resolver could not even ask.
[[nodiscard]] dns::Answer unanswered(dns::Name name);

}  // namespace keystonemail::relay
