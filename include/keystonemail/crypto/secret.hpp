// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Secrets in memory: wiped when they go, compared in constant time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace keystonemail::crypto {

// Overwrites the octets in a way the compiler may not leave out.
void wipe(void* octets, std::size_t size) noexcept;
// Overwrites and empties a string, whatever its capacity holds.
void wipe(std::string& text) noexcept;

// Equal, in a time that depends on the lengths alone.
[[nodiscard]] bool constant_time_equal(std::string_view a, std::string_view b) noexcept;

// SecretString owns octets that are wiped when it is destroyed, assigned to or moved from.
//
// Ownership: a value; copies are explicit (`SecretString(other.view())`). Threads: not synchronised.
class SecretString {
 public:
  SecretString() noexcept = default;
  explicit SecretString(std::string_view octets) : value_(octets) {}
  // Takes the octets over and wipes what is left behind.
  [[nodiscard]] static SecretString adopt(std::string& octets) noexcept;
  SecretString(SecretString&& other) noexcept : value_(std::move(other.value_)) { wipe(other.value_); }
  SecretString& operator=(SecretString&& other) noexcept;
  SecretString(const SecretString&) = delete;
  SecretString& operator=(const SecretString&) = delete;
  ~SecretString() { wipe(value_); }

  [[nodiscard]] std::string_view view() const noexcept { return value_; }
  [[nodiscard]] const char* c_str() const noexcept { return value_.c_str(); }
  [[nodiscard]] bool empty() const noexcept { return value_.empty(); }

 private:
  std::string value_;
};

}  // namespace keystonemail::crypto
