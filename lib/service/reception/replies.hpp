// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The one way from a port's error, and from a policy's refusal, to an SMTP reply.
#pragma once

#include "keystonemail/base/result.hpp"
#include "keystonemail/policy/chain.hpp"
#include "keystonemail/smtp/reply.hpp"

namespace keystonemail::reception {

// Only what can never succeed is permanent: the peer keeps the message and tries again otherwise. Details stay here.
[[nodiscard]] smtp::Reply reply_for(const Error& error);
// The same of a directory: it is not our disk that is full.
[[nodiscard]] smtp::Reply reply_of_directory(const Error& error);
// REQUIRES: a refusal, which a chain has completed.
[[nodiscard]] smtp::Reply reply_for(const policy::Outcome& outcome);
// Of a recipient that would pass a message on that it has passed on before (attack E1).
[[nodiscard]] smtp::Reply gone_round();

}  // namespace keystonemail::reception
