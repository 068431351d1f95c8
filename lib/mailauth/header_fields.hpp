// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The fields of a header by name, as signatures pick them. Private to lib/mailauth.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "keystonemail/mime/header.hpp"

namespace keystonemail::mailauth {

// Ownership: views into the header given. Limits: mime::limits::header_fields_max; beyond, overflowed() and no fields.
class HeaderFields {
 public:
  explicit HeaderFields(std::string_view header);

  [[nodiscard]] std::span<const mime::Field> fields() const noexcept { return fields_; }
  [[nodiscard]] bool overflowed() const noexcept { return overflowed_; }
  // Positions in fields() of those of that name, in the order they stand.
  [[nodiscard]] std::span<const std::uint32_t> named(std::string_view lower_case_name) const noexcept;

 private:
  std::vector<mime::Field> fields_;
  std::vector<std::uint32_t> by_name_;   // sorted by name without case, then as they stand; none that is malformed
  bool overflowed_ = false;
};

// Takes fields as h= names them: each naming takes the one above the last (RFC 6376 §5.4.2; attack D5).
class FieldPicker {
 public:
  explicit FieldPicker(const HeaderFields& fields) noexcept : fields_(fields) {}
  // Nothing when there are no more of that name.
  [[nodiscard]] const mime::Field* take(std::string_view lower_case_name);

 private:
  struct Taken {
    const std::uint32_t* first;  // of the name
    std::size_t count;
  };
  const HeaderFields& fields_;
  std::vector<Taken> taken_;     // sorted by first
};

}  // namespace keystonemail::mailauth
