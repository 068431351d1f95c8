// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/milter/changes.hpp"

#include <utility>

#include "base/try.hpp"

namespace keystonemail::milter {
namespace {

constexpr std::size_t body_in_memory_octets_max = 256 * 1024;

}  // namespace

Result<void> Changes::take(const Event& event) {
  if (const auto* piece = std::get_if<BodyPiece>(&event)) return take_body(piece->octets);
  if (const auto* add = std::get_if<AddHeader>(&event)) {
    edits_.emplace_back(policy::AddHeader{add->name, add->value, policy::Place::bottom, lead_});
  } else if (const auto* insert = std::get_if<InsertHeader>(&event)) {
    edits_.emplace_back(policy::InsertHeader{insert->position, insert->name, insert->value, lead_});
  } else if (const auto* change = std::get_if<ChangeHeader>(&event)) {
    if (change->removes) edits_.emplace_back(policy::RemoveHeader{change->name, change->occurrence});
    else edits_.emplace_back(policy::ChangeHeader{change->name, change->occurrence, change->value, lead_});
  } else if (const auto* to = std::get_if<AddRecipient>(&event)) {
    edits_.emplace_back(policy::AddRecipient{to->address, to->parameters});
  } else if (const auto* not_to = std::get_if<RemoveRecipient>(&event)) {
    edits_.emplace_back(policy::RemoveRecipient{not_to->address});
  } else if (const auto* from = std::get_if<ChangeSender>(&event)) {
    edits_.emplace_back(policy::ReplaceSender{from->address, from->parameters});
  } else if (const auto* quarantine = std::get_if<Quarantine>(&event)) {
    quarantine_ = quarantine->reason;
  } else {
    return fail(ErrorKind::internal, {}, "no edit");
  }
  return {};
}

Result<void> Changes::take_body(std::string_view octets) {
  if (long_body_) return long_body_->write(octets);
  if (!body_) body_.emplace();
  if (body_->size() + octets.size() <= body_in_memory_octets_max) {
    body_->append(octets);
    return {};
  }
  KM_TRY(long_body_, spools_());
  KM_CHECK(long_body_->write(std::exchange(*body_, {})));
  return long_body_->write(octets);
}

std::vector<policy::Edit> Changes::edits() && {
  if (long_body_) edits_.emplace_back(policy::ReplaceBody{policy::make_body(std::unique_ptr<const blob::Spool>(std::move(long_body_)))});
  else if (body_) edits_.emplace_back(policy::ReplaceBody{policy::make_body(*std::move(body_))});
  return std::move(edits_);
}

}  // namespace keystonemail::milter
