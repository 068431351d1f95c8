// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Where a report to the sender of a message goes (RFC 3461 §6.1): into mailboxes here, or into the queue.
#pragma once

#include <string>

#include "keystonemail/base/task.hpp"
#include "keystonemail/delivery/delivery.hpp"
#include "keystonemail/directory/directory.hpp"
#include "keystonemail/service/forwarding/forwarder.hpp"

namespace keystonemail::forwarding {

// Gives `submission` its recipients: those of `sender`, or of whom that sender stands for. The envelope is that of the null
// sender, and nobody is told of what becomes of the report (attack E3). False: there is nobody to tell.
// `forwarder` may be null. Errors: those of the directory.
[[nodiscard]] Task<Result<bool>> address_report(directory::Directory& directory, const Forwarder* forwarder, std::string sender,
                                                const queue::Envelope& original, delivery::Submission& submission, Context context);

}  // namespace keystonemail::forwarding
