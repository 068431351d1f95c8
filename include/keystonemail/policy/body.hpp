// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// policy: the body of a message, to be read by whoever judges it, or given by whoever replaces it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "keystonemail/base/result.hpp"
#include "keystonemail/blob/blob.hpp"

namespace keystonemail::policy {

// Octets that can be read as often as one likes.
//
// Threads: that of the connection's executor. Errors: unavailable (storage).
class Body {
 public:
  virtual ~Body() = default;
  [[nodiscard]] virtual std::uint64_t octets() const noexcept = 0;
  // Appends up to `octets` octets from `offset` on to `out`; fewer at the end.
  [[nodiscard]] virtual Result<void> read(std::uint64_t offset, std::size_t octets, std::string& out) const = 0;
};

// A short one in memory; a long one on storage.
[[nodiscard]] std::shared_ptr<const Body> make_body(std::string octets);
[[nodiscard]] std::shared_ptr<const Body> make_body(std::unique_ptr<const blob::Spool> spool);

}  // namespace keystonemail::policy
