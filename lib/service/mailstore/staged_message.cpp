// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/mailstore/staged_message.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/case_fold.hpp"
#include "keystonemail/mime/header.hpp"
#include "keystonemail/mime/limits.hpp"
#include "keystonemail/mime/message.hpp"
#include "keystonemail/mime/message_id.hpp"
#include "keystonemail/mime/reencode.hpp"
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

// A quick look at the header, so that long texts are not parsed twice for nothing.
bool may_hold_base64(std::string_view text) {
  const auto type = mime::find_field(text, mime::FieldName::content_type);
  const auto encoding = mime::find_field(text, mime::FieldName::content_transfer_encoding);
  if (encoding && istarts_with(trim(encoding->value), "base64")) return true;
  return type && (istarts_with(trim(type->value), "multipart") || istarts_with(trim(type->value), "message"));
}

// IMAP cannot show NUL but in what is encoded (RFC 3516 §6), and what is stored is what is shown.
bool holds_nul(std::string_view text) noexcept { return text.find('\0') != std::string_view::npos; }

std::uint64_t id_hash(const SipKey& key, std::string_view id) noexcept {
  const std::uint64_t hash = sip_hash(key, id);
  return hash == 0 ? 1 : hash;  // 0 stands for none
}

Findings find_in(const mime::Message& message, const SipKey& key) {
  Findings found;
  found.summary = mime::encode_summary(message);
  if (const auto subject = message.value(message.root(), mime::FieldName::subject)) {
    found.subject = static_cast<std::uint32_t>(sip_hash(key, codec::fold_case(mime::base_subject(*subject).text)));
  }
  const auto add = [&found](std::uint64_t hash) {
    const auto end = found.hashes.begin() + found.hash_count;
    if (found.hash_count < thread_hashes_max && std::find(found.hashes.begin(), end, hash) == end) {
      found.hashes[found.hash_count++] = hash;
    }
  };
  const mime::Summary summary(found.summary);
  const auto own = summary.message_id();
  add(own ? id_hash(key, *own) : 0);
  // RFC 8621 §3: In-Reply-To and References. The nearest ancestors tell most, and the first one holds all together.
  const auto references = summary.references();
  const auto parents = summary.in_reply_to();
  if (!parents.empty()) add(id_hash(key, parents.front()));
  for (std::size_t i = 0; i < 2 && i < references.size(); ++i) add(id_hash(key, references[references.size() - 1 - i]));
  if (!references.empty()) add(id_hash(key, references.front()));
  return found;
}

// Memory to take a message of so many octets apart: itself, and its attachments or what lies between them.
std::size_t room_for(std::uint64_t octets) { return static_cast<std::size_t>(octets) * 2; }

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

// By the parse of the message alone where that tells enough: for no prefix, or one that no summary shows.
Task<Result<Findings>> KvStagedMessage::find(std::string_view prefix, Context context) {
  if (!plain_) {
    const auto message = mime::Message::parse(raw_);
    plain_ = find_in(message, core_.sip_key);
    takes_trace_ = mime::takes_trace(message);
  }
  if (prefix.empty()) co_return *plain_;
  if (takes_trace_ && prefix.size() <= mime::limits::trace_octets_max && is_trace_only(prefix)) {
    Findings found = *plain_;
    found.summary = mime::summary_behind_trace(found.summary, prefix.size());
    co_return found;
  }
  StagingRoom::Lease room;
  std::string whole(prefix);
  if (spool_) {
    KM_CO_TRY(room, co_await core_.staging.take(room_for(octets_), context));
    KM_CO_CHECK(spool_->read(0, octets_, whole));
  } else {
    whole += raw_;
  }
  co_return find_in(mime::Message::parse(whole), core_.sip_key);
}

Task<Result<PreparedEmail>> KvStagedMessage::prepare(std::string_view prefix, Whereabouts where, Context context) {
  KM_CO_TRY(const Findings found, co_await find(prefix, context));
  PreparedEmail email;
  email.octets = static_cast<std::uint32_t>(prefix.size() + octets_);
  email.subject = found.subject;
  email.hash_count = found.hash_count;
  email.hashes = found.hashes;
  email.blobs = blobs_;
  Content recipe = content_with(prefix);
  KM_CO_CHECK(co_await add_note(email, recipe, std::move(where), context));
  std::string content = recipe.encode();
  EmailRecord record;
  record.size = email.octets;
  record.subject = found.subject;
  record.hash_count = found.hash_count;
  record.hashes = found.hashes;
  record.summary = found.summary;
  record.content_apart = found.summary.size() + content.size() > limits::email_row_octets_max;
  if (!record.content_apart) record.content = content;
  email.row = record.encode();
  if (record.content_apart) email.content = std::move(content);
  co_return email;
}

Task<Result<void>> KvStagedMessage::add_note(PreparedEmail& email, Content& content, Whereabouts where, Context context) {
  const Notes kept = core_.options.notes;
  if (kept == Notes::none || (kept == Notes::larger && content.blobs.empty())) co_return Result<void>();
  const std::string note = encode_note(where, content);
  KM_CO_TRY(std::shared_ptr<blob::Staged> staged, co_await core_.blobs.stage(note, context, blob::Place::apart));
  content.blobs.push_back({staged->id(), note.size()});  // no piece is of it
  email.blobs.push_back(std::move(staged));
  co_return Result<void>();
}

Task<Result<void>> KvStagedMessage::stage_blob(std::string_view content, Context context) {
  KM_CO_TRY(std::shared_ptr<blob::Staged> staged, co_await core_.blobs.stage(content, context));
  content_.blobs.push_back({staged->id(), content.size()});
  blobs_.push_back(std::move(staged));
  co_return Result<void>();
}

Task<Result<void>> KvStagedMessage::stage_attachment(std::string_view body, std::uint64_t offset, Context context) {
  const auto decoded = codec::decode_base64_body(body);
  if (!decoded) co_return Result<void>();
  Piece piece{.kind = Piece::Kind::base64, .octets = body.size(), .blob = static_cast<std::uint32_t>(blobs_.size())};
  piece.offset = offset;  // in the message, until the literal octets are cut out
  piece.layout = decoded->layout;
  KM_CO_CHECK(co_await stage_blob(decoded->octets, context));
  content_.pieces.push_back(piece);
  co_return Result<void>();
}

// What lies between the attachments is literal.
void KvStagedMessage::cut_out_attachments(std::string_view text) {
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
}

Task<Result<void>> KvStagedMessage::stage_text(std::string_view text, Context context) {
  if (spool_ || (text.size() >= limits::attachment_octets_min && may_hold_base64(text))) {
    const auto message = mime::Message::parse(text);
    plain_ = find_in(message, core_.sip_key);
    takes_trace_ = mime::takes_trace(message);
    for (const mime::Part& part : message.parts()) {
      if (part.kind != mime::PartKind::leaf || part.encoding != mime::TransferEncoding::base64 ||
          part.body_octets() < limits::attachment_octets_min || blobs_.size() >= limits::attachments_max) {
        continue;
      }
      KM_CO_CHECK(co_await stage_attachment(message.body(part), part.body_begin, context));
    }
  }
  if (content_.pieces.empty() && text.size() > limits::literal_octets_max) {  // all of it is one blob
    KM_CO_CHECK(co_await stage_blob(text, context));
    content_.pieces.push_back({.kind = Piece::Kind::blob, .octets = text.size()});
    co_return Result<void>();
  }
  cut_out_attachments(text);
  if (content_.literal.size() > limits::literal_octets_max) KM_CO_CHECK(co_await share_literal(context));
  co_return Result<void>();
}

Task<Result<void>> KvStagedMessage::stage(Context context) {
  if (!spool_) {
    if (holds_nul(raw_)) raw_ = mime::encode_nul(raw_);
    octets_ = raw_.size();
    co_return co_await stage_text(raw_, context);
  }
  KM_CO_TRY(auto room, co_await core_.staging.take(room_for(octets_), context));
  std::string text;
  KM_CO_CHECK(read_spool(text));
  if (holds_nul(text)) {
    text = std::string();
    room = StagingRoom::Lease();
    KM_CO_TRY(room, co_await core_.staging.take(room_for(octets_) + static_cast<std::size_t>(octets_), context));
    KM_CO_CHECK(read_spool(text));
    text = mime::encode_nul(text);
    KM_CO_TRY(spool_, core_.blobs.create_spool());
    KM_CO_CHECK(spool_->write(text));
    octets_ = text.size();
  }
  co_return co_await stage_text(text, context);
}

Result<void> KvStagedMessage::read_spool(std::string& text) const {
  KM_CHECK(spool_->read(0, octets_, text));
  if (text.size() != octets_) return fail(ErrorKind::unavailable, {}, "a spooled message came back short");
  return {};
}

Task<Result<void>> KvStagedMessage::share_literal(Context context) {
  if (content_.literal.empty()) co_return Result<void>();
  const auto blob = static_cast<std::uint32_t>(blobs_.size());
  KM_CO_CHECK(co_await stage_blob(content_.literal, context));
  for (Piece& piece : content_.pieces) {
    if (piece.kind != Piece::Kind::literal) continue;
    piece.kind = Piece::Kind::blob;
    piece.blob = blob;
  }
  content_.literal = std::string();
  co_return Result<void>();
}

Task<Result<void>> KvMessageWriter::write(std::string_view piece, Context) {
  KvStagedMessage& message = *message_;
  if (piece.size() > message.core_.options.message_octets_max - message.octets_) {
    co_return fail(ErrorKind::too_large, "message too large");
  }
  message.octets_ += piece.size();
  if (!message.spool_ && message.octets_ > message.core_.options.spool_octets_min) {
    KM_CO_TRY(message.spool_, message.core_.blobs.create_spool());
    KM_CO_CHECK(message.spool_->write(std::exchange(message.raw_, {})));
  }
  if (message.spool_) co_return message.spool_->write(piece);
  if (message.octets_ > limits::growth_octets_max && message.octets_ > message.raw_.capacity()) {
    message.raw_.reserve(std::min(message.core_.options.spool_octets_min, limits::reserved_octets_max));
  }
  message.raw_.append(piece);
  co_return Result<void>();
}

Result<void> KvMessageWriter::read(std::uint64_t offset, std::size_t octets, std::string& out) const {
  if (message_->spool_) return message_->spool_->read(offset, octets, out);
  const std::string& text = message_->raw_;
  if (offset < text.size()) out.append(text, static_cast<std::size_t>(offset), octets);
  return {};
}

Task<Result<std::unique_ptr<mailstore::StagedMessage>>> KvMessageWriter::finish(Context context) {
  KM_CO_CHECK(co_await message_->stage(context));
  co_return std::unique_ptr<mailstore::StagedMessage>(std::move(message_));
}

}  // namespace keystonemail::service
