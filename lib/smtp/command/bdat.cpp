// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// BDAT (RFC 3030 §2). Whatever is answered, the octets announced are read first: otherwise they would be commands.
#include <algorithm>

#include "keystonemail/base/text.hpp"
#include "keystonemail/smtp/limits.hpp"
#include "smtp/server_engine.hpp"

namespace keystonemail::smtp {
namespace {

struct Chunk {
  std::uint64_t octets;
  bool last;
};

// bdat-cmd = "BDAT" SP chunk-size [ SP end-marker ]
std::optional<Chunk> parse_chunk(std::string_view argument) noexcept {
  const std::size_t space = argument.find(' ');
  const auto octets = parse_decimal(argument.substr(0, space));
  if (!octets || std::min(space, argument.size()) > limits::size_digits_max) return std::nullopt;
  if (space == std::string_view::npos) return Chunk{*octets, false};
  if (!iequals(trim(argument.substr(space)), "LAST")) return std::nullopt;
  return Chunk{*octets, true};
}

}  // namespace

void ServerEngine::run_bdat(std::string_view argument) {
  const auto chunk = parse_chunk(argument);
  if (!chunk) return close_with(PeerFault::bad_chunk_size);
  in_chunk_ = true;
  chunk_left_ = chunk->octets;
  chunk_last_ = chunk->last;
  start_transfer();
  if (!options_->offer_chunking) return refuse_chunk(PeerFault::not_implemented);
  if (options_->require_tls && !secure_) return refuse_chunk(PeerFault::tls_required);
  if (!next_state(state_, Verb::bdat)) return refuse_chunk(out_of_sequence(Verb::bdat));
  const std::uint64_t so_far = state_ == State::chunks ? message_octets_ : 0;
  if (chunk->octets > options_->message_octets_max - so_far) {
    return state_ == State::chunks ? abort_message(PeerFault::message_too_large)
                                   : refuse_chunk(PeerFault::message_too_large);
  }
  if (state_ == State::recipients) ask(Question::message_begin, MessageBegin{Transfer::chunks});
}

void ServerEngine::refuse_chunk(PeerFault fault) {
  const FaultReply answer = reply_for(fault);
  refusal_ = Reply{answer.code, answer.status, std::string(answer.text)};
}

}  // namespace keystonemail::smtp
