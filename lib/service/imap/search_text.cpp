// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/imap/search_text.hpp"

#include <algorithm>
#include <cstring>

#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/case_fold.hpp"
#include "keystonemail/mime/encoded_word.hpp"
#include "keystonemail/mime/header.hpp"

namespace keystonemail::service::imap {

bool contains(std::string_view text, std::string_view needle) noexcept {
  if (needle.empty()) return true;
  return ::memmem(text.data(), text.size(), needle.data(), needle.size()) != nullptr;
}

std::string searchable(std::string_view value) { return codec::fold_case(mime::decode_text(value)); }

std::string searchable(const mime::EnvelopeAddresses& addresses) {
  std::string text;
  for (const mime::EnvelopeAddress& address : addresses) {
    if (!address.name.empty()) text.append(mime::decode_text(address.name)).append(" ");
    if (address.kind == mime::AddressKind::mailbox) {
      text.append("<").append(address.local_part).append("@").append(address.domain).append(">, ");
    } else {
      text.append(mime::decode_text(address.local_part)).append(": ");
    }
  }
  return codec::fold_case(text);
}

TextScan::TextScan(std::vector<Needle> needles) : needles_(std::move(needles)) {
  for (const Needle& needle : needles_) overlap_ = std::max(overlap_, needle.text.size());
  restart();
}

void TextScan::restart() noexcept {
  missing_ = 0;
  for (Needle& needle : needles_) {
    needle.found = needle.text.empty();
    missing_ += needle.found ? 0 : 1;
  }
  decoder_.clear();
}

bool TextScan::wants_headers() const noexcept {
  return std::ranges::any_of(needles_, [](const Needle& n) { return !n.found && n.haystack == Haystack::everything; });
}

void TextScan::field(const mime::Field& field) {
  decoded_.assign(field.name).append(": ").append(mime::decode_text(field.value));
  folded_.clear();
  codec::append_folded(folded_, decoded_);
  look(folded_, Source::header);
}

void TextScan::begin_body(const mime::SummaryPart& part) {
  decoder_.clear();
  decoder_.emplace_back(part);
  folded_.clear();
}

void TextScan::body(std::string_view piece) {
  decoded_.clear();
  decoder_.back().append(decoded_, piece);
  look_at_decoded();
}

void TextScan::end_body() {
  decoded_.clear();
  decoder_.back().finish(decoded_);
  look_at_decoded();
  decoder_.clear();
}

// The end of what came before stays in front, so that a needle cut by two pieces is found.
void TextScan::look_at_decoded() {
  if (folded_.size() > overlap_) folded_.erase(0, folded_.size() - overlap_);
  codec::append_folded(folded_, decoded_);
  look(folded_, Source::body);
}

void TextScan::look(std::string_view folded, Source source) {
  for (Needle& needle : needles_) {
    if (needle.found || (source == Source::header && needle.haystack == Haystack::body)) continue;
    if (!contains(folded, needle.text)) continue;
    needle.found = true;
    --missing_;
  }
}

}  // namespace keystonemail::service::imap
