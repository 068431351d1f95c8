// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/backends/zone/resolver.hpp"

namespace keystonemail::zone {

Task<Result<dns::Answer>> ZoneResolver::resolve(dns::Question question, Context context) {
  if (context.stop.stop_requested()) co_return fail(ErrorKind::cancelled);
  dns::Answer answer = resolver::limit_answer(zone_.lookup(question));
  answer.authenticated = trust_ == Trust::as_if_signed && !dns::is_temporary(answer.status);
  co_return answer;
}

}  // namespace keystonemail::zone
