// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/mailauth/dmarc/organizational_domain.hpp"

#include <libpsl.h>

namespace keystonemail::mailauth::dmarc {

// libpsl takes A-labels in lower case, which is what a Name's text is.
dns::Name organizational_domain(const dns::Name& name) {
  const char* domain = psl_registrable_domain(psl_builtin(), name.text().c_str());
  const auto found = domain ? dns::Name::parse(domain) : std::nullopt;
  return found.value_or(name);
}

bool is_public_suffix(const dns::Name& name) { return psl_is_public_suffix(psl_builtin(), name.text().c_str()) == 1; }

}  // namespace keystonemail::mailauth::dmarc
