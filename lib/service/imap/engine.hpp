// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The imap engine by a short name: within service::imap, `imap` is this module.
#pragma once

#include "keystonemail/imap/server_session.hpp"

namespace keystonemail::service::imap {
namespace engine = keystonemail::imap;
}
