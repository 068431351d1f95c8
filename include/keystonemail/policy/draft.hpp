// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// policy: a message as the edits of policies have left it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "keystonemail/policy/body.hpp"
#include "keystonemail/policy/decision.hpp"

namespace keystonemail::policy {

namespace limits {
inline constexpr std::size_t draft_header_octets_max = 2U << 20;  // an addition that would go beyond it is left out
}

// What is added on top stands above the trace field that the server itself writes; that field is in no draft.
//
// Threads: not synchronised. Memory: the header. Work: of apply(), linear in the header for each edit of it.
class Draft {
 public:
  // `header` with its empty line, where it has one.
  explicit Draft(std::string header) : text_(std::move(header)) {}
  // The body that came, once it is there.
  void set_body(std::shared_ptr<const Body> body) noexcept { body_ = std::move(body); }

  // Makes what `edits` want of header and body, in their order, and passes over all else. Occurrences and positions count
  // the fields as they stand, those that the same edits took out still in their places.
  // An edit that would make more than one field, or no field, is left out (attack A2).
  void apply(std::span<const Edit> edits);

  // The whole header: what is on top, what came.
  [[nodiscard]] std::string_view header() const noexcept { return text_; }
  [[nodiscard]] std::string_view top() const noexcept { return std::string_view(text_).substr(0, top_octets_); }
  [[nodiscard]] std::string_view below_top() const noexcept { return std::string_view(text_).substr(top_octets_); }
  [[nodiscard]] const std::shared_ptr<const Body>& body() const noexcept { return body_; }
  // How often it was changed; and how often below the top.
  [[nodiscard]] std::uint32_t revision() const noexcept { return revision_; }
  [[nodiscard]] std::uint32_t revision_below_top() const noexcept { return revision_below_top_; }

 private:
  void add_on_top(std::span<const Edit> edits);

  std::string text_;
  std::size_t top_octets_ = 0;
  std::shared_ptr<const Body> body_;
  std::uint32_t revision_ = 0, revision_below_top_ = 0;
};

// Whether an edit is one of header or body.
[[nodiscard]] bool edits_message(const Edit& edit) noexcept;

}  // namespace keystonemail::policy
