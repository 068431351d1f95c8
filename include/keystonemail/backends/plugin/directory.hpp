// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// plugin: a directory from a shared object that speaks the C interface of directory/plugin.h.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "keystonemail/base/log.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/directory/directory.hpp"

namespace keystonemail::plugin {

namespace limits {
inline constexpr std::size_t text_octets_max = 4'096;        // of each text in an answer
inline constexpr std::size_t scram_credentials_max = 64;
inline constexpr std::size_t scram_salt_octets_max = 256;
inline constexpr std::size_t configuration_octets_max = 1'048'576;
}  // namespace limits

struct DirectoryOptions {
  std::string path = {};                    // of the shared object, absolute
  std::string configuration = {};           // passed on as it is
  std::string primary_domain = {};          // added to logins that come without a domain
  std::size_t threads = 4;                  // that call the plugin, and that it may block
  std::size_t queue_max = 256;              // requests that wait for them
  std::chrono::milliseconds timeout{10'000};  // for an answer; then the request is over with ErrorKind::timeout
  // The user the server becomes once its ports are open, when that is not the present one: may not write the file either.
  std::optional<std::uint32_t> service_user = {};
};

// Loads and opens the plugin. Blocks while it does. The object and the folders above it must belong to root or to the
// present user and be writable by nobody else: whoever can write them can run code in this process.
//
// Errors: invalid (path, not a plugin, another version, functions missing), denied (others may write it), not_found,
//   unavailable (the plugin's own failure to open).
// Threads: as directory::Directory; destroyed on one thread when no call is under way, which waits until the plugin's
//   functions have returned.
// Ownership: borrows `log`.
[[nodiscard]] Result<std::unique_ptr<directory::Directory>> open_directory(DirectoryOptions options, Log& log);

}  // namespace keystonemail::plugin
