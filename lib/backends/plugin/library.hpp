// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Library: a shared object that is loaded, once it is known who could have written it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "keystonemail/base/result.hpp"

namespace keystonemail::plugin {

// H13: whether nobody but root and the present user can change the file, or put another in its place.
// Errors: invalid (no absolute path, no regular file), not_found, denied.
[[nodiscard]] Result<void> check_writers(const std::string& path, std::optional<std::uint32_t> service_user);

// Ownership: unloads the object when it goes; nothing of it may be used afterwards.
class Library {
 public:
  // Its names stay its own. Errors: invalid (the loader's reason is the detail).
  [[nodiscard]] static Result<Library> load(const std::string& path);
  Library(Library&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Library& operator=(Library&& other) noexcept;
  ~Library();

  [[nodiscard]] void* symbol(const char* name) const noexcept;

 private:
  explicit Library(void* handle) noexcept : handle_(handle) {}
  void* handle_;
};

}  // namespace keystonemail::plugin
