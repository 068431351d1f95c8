// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The names of things in a mail store.
#pragma once

#include <compare>
#include <cstdint>

namespace keystonemail::mailstore {

enum class AccountId : std::uint32_t {};
enum class MailboxId : std::uint32_t {};  // unique within an account and never used again
enum class EmailId : std::uint64_t {};    // unique within an account; later arrivals are greater (RFC 8474 EMAILID, RFC 8621 id)
enum class ThreadId : std::uint64_t {};   // the EmailId of the thread's first email

using Uid = std::uint32_t;      // RFC 9051 §2.3.1.1: strictly ascending within a mailbox
using ModSeq = std::uint64_t;   // RFC 7162 §3.1: the number of a change within an account; also the JMAP state. < 2^63

}  // namespace keystonemail::mailstore
