// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Wire: a client's end of a connection, which reads lines and may be slow, cut off, or both.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/world.hpp"

namespace keystonemail::sim {

// What became of octets that were to be sent.
enum class Sent : std::uint8_t {
  all,
  not_all,  // the last one certainly did not leave
  unknown,
};

class Wire {
 public:
  Wire(World& world, Port port, SeededRandom& random);
  Wire(World& world, Port port, std::size_t capacity, test::StreamFaults client, test::StreamFaults server);

  // The next line without its CRLF, or nothing when the connection is over.
  [[nodiscard]] Task<std::optional<std::string>> line();
  [[nodiscard]] Task<std::optional<std::string>> octets(std::size_t count);
  [[nodiscard]] Task<Sent> send(std::string_view text);
  [[nodiscard]] Task<void> pause(std::chrono::milliseconds max, SeededRandom& random);
  // Goes away without a word.
  void drop() noexcept { stream_.reset(); }
  [[nodiscard]] bool over() const noexcept { return !stream_; }
  [[nodiscard]] bool was_cut() const noexcept { return cut_; }
  [[nodiscard]] std::uint64_t octets_sent() const noexcept { return sent_; }
  [[nodiscard]] std::uint64_t octets_heard() const noexcept { return heard_; }

 private:
  [[nodiscard]] Task<bool> read_more();
  void note(std::string_view mark, std::string_view octets);

  World& world_;
  std::shared_ptr<Instant> moved_;  // when octets last went by, either way
  std::unique_ptr<transport::ByteStream> stream_;
  std::string unread_;
  std::uint32_t number_;
  bool cut_ = false;  // by its own faults
  std::uint64_t sent_ = 0, heard_ = 0;
};

// An SMTP reply; code 0: none came.
struct SmtpReply {
  int code = 0;
  std::string text;
  [[nodiscard]] Answer answer() const noexcept {
    return code == 0 ? Answer::unknown : code / 100 == 2 ? Answer::yes : Answer::no;
  }
};
[[nodiscard]] Task<SmtpReply> read_reply(Wire& wire);

// An IMAP response: its text with each literal taken out (`{5}` stays) and the literals.
struct ImapResponse {
  std::string text;
  std::vector<std::string> literals;
};
[[nodiscard]] Task<std::optional<ImapResponse>> read_response(Wire& wire);

}  // namespace keystonemail::sim
