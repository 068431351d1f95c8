// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The control socket, <data directory>/control.sock: administrative commands to a running server. Whoever may open it
// (mode 0600: the server's user and root) may do all that the command line can.
#pragma once

#include <memory>
#include <string>

#include "commands/commands.hpp"
#include "keystonemail/backends/libuv/uv_loop.hpp"

namespace keystonemail::host::control {

// Answers commands on `loop`, one a connection. Ownership: borrows both. Errors: those of UvLoop::listen_local.
[[nodiscard]] Result<std::unique_ptr<transport::Listener>> listen(libuv::UvLoop& loop, const std::string& data_directory,
                                                                  Stores& stores);

// Errors: those of UvLoop::connect_local; not_found and unavailable say that no server runs.
[[nodiscard]] Result<std::unique_ptr<transport::ByteStream>> connect(libuv::UvLoop& loop, const std::string& data_directory);

// Has the server behind `stream` do it, and shows how far it is. Says so on stderr when it does not answer, and gives up in the end.
// Errors: those of the stream; timeout; invalid.
[[nodiscard]] Task<Result<AdminReply>> ask(std::unique_ptr<transport::ByteStream> stream, AdminRequest request,
                                           Progress& progress, Context context);

}  // namespace keystonemail::host::control
