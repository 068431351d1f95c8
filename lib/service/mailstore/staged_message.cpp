// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/mailstore/staged_message.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "base/try.hpp"
#include "keystonemail/codec/case_fold.hpp"
#include "keystonemail/mime/header.hpp"
#include "keystonemail/mime/message.hpp"
#include "keystonemail/mime/message_id.hpp"
#include "keystonemail/mime/summary.hpp"

namespace keystonemail::service {

namespace {

// Whether a header part holds only fields that no summary shows: then its length alone matters to one.
bool is_trace_only(std::string_view prefix) {
  mime::HeaderReader reader(prefix);
  while (const auto field = reader.next()) {
    if (field->id != mime::FieldName::return_path && field->id != mime::FieldName::received &&
        field->id != mime::FieldName::delivered_to && field->id != mime::FieldName::other) {
      return false;
    }
  }
  return !reader.ended();  // an empty line would end the message's header
}

// A quick look, so that long texts are not parsed for nothing. Other spellings are kept as they stand.
bool may_hold_base64(std::string_view text) noexcept {
  const auto holds = [text](std::string_view word) {
    return memmem(text.data(), text.size(), word.data(), word.size()) != nullptr;
  };
  return holds("base64") || holds("BASE64") || holds("Base64");
}

std::uint64_t id_hash(const SipKey& key, std::string_view id) noexcept {
  const std::uint64_t hash = sip_hash(key, id);
  return hash == 0 ? 1 : hash;  // 0 stands for none
}

}  // namespace

Content KvStagedMessage::content_with(std::string_view prefix) const {
  Content content = content_;
  if (prefix.empty()) return content;
  for (Piece& piece : content.pieces) {
    if (piece.kind == Piece::Kind::literal) piece.offset += prefix.size();
  }
  content.literal.insert(0, prefix);
  if (!content.pieces.empty() && content.pieces.front().kind == Piece::Kind::literal) {
    content.pieces.front().offset = 0;
    content.pieces.front().octets += prefix.size();
  } else {
    content.pieces.insert(content.pieces.begin(), Piece{.kind = Piece::Kind::literal, .octets = prefix.size()});
  }
  return content;
}

std::string KvStagedMessage::content_record(std::string_view prefix) const { return content_with(prefix).encode(); }

void KvStagedMessage::summarise(std::string_view whole, const SipKey& key) {
  const auto message = mime::Message::parse(whole);
  summary_ = mime::encode_summary(message);
  subject_ = 0;
  hash_count_ = 0;
  if (const auto subject = message.value(message.root(), mime::FieldName::subject)) {
    subject_ = static_cast<std::uint32_t>(sip_hash(key, codec::fold_case(mime::base_subject(*subject).text)));
  }
  const auto add = [this](std::uint64_t hash) {
    const auto end = hashes_.begin() + hash_count_;
    if (hash_count_ < thread_hashes_max && std::find(hashes_.begin(), end, hash) == end) hashes_[hash_count_++] = hash;
  };
  const mime::Summary summary(summary_);
  const auto own = summary.message_id();
  add(own ? id_hash(key, *own) : 0);
  // RFC 8621 §3: In-Reply-To and References. The nearest ancestors tell most, and the first one holds all together.
  const auto references = summary.references();
  const auto parents = summary.in_reply_to();
  if (!parents.empty()) add(id_hash(key, parents.front()));
  for (std::size_t i = 0; i < 2 && i < references.size(); ++i) add(id_hash(key, references[references.size() - 1 - i]));
  if (!references.empty()) add(id_hash(key, references.front()));
}

PreparedEmail KvStagedMessage::prepare(std::string_view prefix, const SipKey& key) {
  const bool trace = is_trace_only(prefix);
  if (!summarised_prefix_octets_ || *summarised_prefix_octets_ != prefix.size() || !trace || !summary_is_of_trace_) {
    if (prefix.size() <= headroom) {
      prefix.copy(raw_.data() + headroom - prefix.size(), prefix.size());  // a prefix may be empty and null
      summarise(std::string_view(raw_).substr(headroom - prefix.size()), key);
    } else {
      summarise(std::string(prefix).append(raw()), key);
    }
    summarised_prefix_octets_ = prefix.size();
    summary_is_of_trace_ = trace;
  }
  PreparedEmail email;
  email.octets = static_cast<std::uint32_t>(prefix.size() + raw().size());
  email.subject = subject_;
  email.hash_count = hash_count_;
  email.hashes = hashes_;
  email.blobs = blobs_;
  std::string content = content_record(prefix);
  EmailRecord record;
  record.size = email.octets;
  record.subject = subject_;
  record.hash_count = hash_count_;
  record.hashes = hashes_;
  record.summary = summary_;
  record.content_apart = summary_.size() + content.size() > limits::email_row_octets_max;
  if (!record.content_apart) record.content = content;
  email.row = record.encode();
  if (record.content_apart) email.content = std::move(content);
  return email;
}

Task<Result<void>> KvStagedMessage::stage_attachment(std::string_view body, std::uint64_t offset, Context context) {
  auto decoded = codec::decode_base64_body(body);
  if (!decoded) co_return Result<void>();
  KM_CO_TRY(std::shared_ptr<blob::Staged> staged, co_await store_.stage(decoded->octets, context));
  Piece piece{.kind = Piece::Kind::base64, .octets = body.size(), .blob = static_cast<std::uint32_t>(blobs_.size())};
  piece.offset = offset;  // in the message, until the literal octets are cut out
  piece.layout = decoded->layout;
  content_.pieces.push_back(piece);
  content_.blobs.push_back({staged->id(), decoded->octets.size()});
  blobs_.push_back(std::move(staged));
  co_return Result<void>();
}

Task<Result<void>> KvStagedMessage::stage(Context context) {
  const std::string_view text = raw();
  if (text.size() >= limits::attachment_octets_min && may_hold_base64(text)) {
    const auto message = mime::Message::parse(text);
    for (const mime::Part& part : message.parts()) {
      if (part.kind != mime::PartKind::leaf || part.encoding != mime::TransferEncoding::base64 ||
          part.body_octets() < limits::attachment_octets_min || blobs_.size() >= limits::attachments_max) {
        continue;
      }
      KM_CO_CHECK(co_await stage_attachment(message.body(part), part.body_begin, context));
    }
  }
  // What lies between the attachments is literal.
  std::vector<Piece> pieces;
  std::uint64_t at = 0, literal = 0;
  const auto add_literal = [&](std::uint64_t end) {
    if (end == at) return;
    pieces.push_back({.kind = Piece::Kind::literal, .octets = end - at, .offset = literal});
    content_.literal.append(text, at, end - at);
    literal += end - at;
  };
  for (const Piece& attachment : content_.pieces) {
    assert(attachment.offset >= at);
    add_literal(attachment.offset);
    pieces.push_back(attachment);
    pieces.back().offset = 0;
    at = attachment.offset + attachment.octets;
  }
  add_literal(text.size());
  content_.pieces = std::move(pieces);
  if (content_.literal.size() > limits::literal_octets_max) KM_CO_CHECK(co_await share_literal(context));
  co_return Result<void>();
}

Task<Result<void>> KvStagedMessage::share_literal(Context context) {
  if (content_.literal.empty()) co_return Result<void>();
  KM_CO_TRY(std::shared_ptr<blob::Staged> staged, co_await store_.stage(content_.literal, context));
  for (Piece& piece : content_.pieces) {
    if (piece.kind != Piece::Kind::literal) continue;
    piece.kind = Piece::Kind::blob;
    piece.blob = static_cast<std::uint32_t>(blobs_.size());
  }
  content_.blobs.push_back({staged->id(), content_.literal.size()});
  content_.literal = std::string();
  blobs_.push_back(std::move(staged));
  co_return Result<void>();
}

KvMessageWriter::KvMessageWriter(blob::Store& store, std::uint64_t octets_max)
    : message_(new KvStagedMessage(store)), octets_max_(octets_max) {
  message_->raw_.assign(KvStagedMessage::headroom, '\0');
}

Task<Result<void>> KvMessageWriter::write(std::string_view piece, Context) {
  if (message_->octets() + piece.size() > octets_max_) co_return fail(ErrorKind::too_large, "message too large");
  message_->raw_.append(piece);
  co_return Result<void>();
}

Task<Result<std::unique_ptr<mailstore::StagedMessage>>> KvMessageWriter::finish(Context context) {
  KM_CO_CHECK(co_await message_->stage(context));
  co_return std::unique_ptr<mailstore::StagedMessage>(std::move(message_));
}

}  // namespace keystonemail::service
