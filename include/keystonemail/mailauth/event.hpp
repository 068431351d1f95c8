// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What the verifiers of signatures, dkim::Verifier and arc::Verifier, ask of their caller.
//
// Ownership: values. Threads: plain data.
#pragma once

#include <cstddef>
#include <variant>

#include "keystonemail/dns/answer.hpp"

namespace keystonemail::mailauth {

struct NeedInput {};                         // receive() more, or receive_end()
struct NeedKey {                             // ask the DNS, then decide(id, answer); go on meanwhile
  std::size_t id;
  dns::Question question;
};
struct NeedAnswer {};                        // nothing to do until an answer is there
struct Verified {};                          // the results are final
using Event = std::variant<NeedInput, NeedKey, NeedAnswer, Verified>;

}  // namespace keystonemail::mailauth
