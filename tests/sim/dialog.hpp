// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Dialog: an SMTP or LMTP session as both of its ends saw it: which messages went over, for whom, what was answered, and whether
// the answer arrived. It knows when "the dot was sent and the reply was lost" (RFC 1047). Once TLS begins it sees nothing.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace keystonemail::sim {

// A message whose end the server has read.
struct Transfer {
  std::string sender;
  std::vector<std::string> recipients;  // those that the server took
  std::string key;                      // key_of() the message
  int reply = 0;                        // to its end, as the server gave it; 0: none
  bool reply_read = false;              // the client has read it to its end
};

// What stands for a message: its token; of a report, which has none, its Message-ID.
[[nodiscard]] std::string key_of(std::string_view text);

class Dialog {
 public:
  Dialog() : commands_{{.line = "(greeting)"}} {}

  void server_read(std::string_view octets);
  void server_wrote(std::string_view octets);
  void client_read(std::string_view octets);

  // How many messages the server has read to their end.
  [[nodiscard]] std::size_t messages() const noexcept { return messages_.size(); }
  // TLS has begun.
  [[nodiscard]] bool is_blind() const noexcept { return starttls_ != 0 && reply_to(starttls_) == 220; }
  // Those that it had taken recipients for. LMTP: one for each recipient, as each has a reply of its own (RFC 2033 §4.2).
  [[nodiscard]] std::vector<Transfer> transfers() const;

 private:
  struct Command {
    std::string line;
  };
  struct Message {
    std::size_t mail = 0;                 // places among the commands
    std::vector<std::size_t> recipients;
    std::vector<std::size_t> ends;        // one; LMTP: for each recipient that was taken
    std::string key;
  };

  void command(std::string line);
  void end_message(const char* line);
  [[nodiscard]] bool in_data() const { return data_ != 0 && reply_to(data_) == 354; }
  [[nodiscard]] int reply_to(std::size_t command) const noexcept { return command < replies_.size() ? replies_[command] : 0; }
  [[nodiscard]] bool taken(std::size_t command) const { return reply_to(command) / 100 == 2; }

  std::vector<Command> commands_;  // each has one reply; the end of a message counts as one
  std::vector<int> replies_;       // as written, in order
  std::size_t heard_ = 0;          // replies that the client has read
  std::vector<Message> messages_;
  Message open_;                   // the transaction under way
  std::string text_;               // of its message
  std::string line_, reply_line_, heard_line_;
  std::size_t data_ = 0;           // the DATA that is under way
  std::size_t starttls_ = 0;
  bool lmtp_ = false;
  std::size_t chunk_left_ = 0;
  bool chunk_ = false, last_chunk_ = false;
};

}  // namespace keystonemail::sim
