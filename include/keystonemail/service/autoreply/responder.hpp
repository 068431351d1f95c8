// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Responder: gives the automatic answers of accounts that are absent. What it makes is a submission of its own, written in the commit
// that delivers the message it answers, so that neither a crash nor a second try gives it twice.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "keystonemail/base/random.hpp"
#include "keystonemail/delivery/delivery.hpp"
#include "keystonemail/directory/directory.hpp"
#include "keystonemail/service/autoreply/answered.hpp"
#include "keystonemail/service/forwarding/forwarder.hpp"

namespace keystonemail::autoreply {

namespace limits {
inline constexpr std::size_t answers_per_message_max = 20;  // of all that it is for: what one message can set off has an end
}  // namespace limits

struct Options {
  std::string hostname;                  // for Message-IDs
  forwarding::KeyProvider keys = {};     // that answers are signed with; empty: they are not
};

// A message that is about to be delivered to an account. Ownership: borrows.
struct Delivered {
  mailstore::AccountId account{};
  std::string_view header;
  std::string message_id;                // brackets included; may be empty
  std::string sender;                    // the reverse-path
  std::vector<std::string> own;          // as Occasion::own; the account's login need not be there
  Proof proof = Proof::unproven;
  bool is_spam = false;
  bool is_for_list = false;
  std::string response = {};             // a name of the answer (RFC 5230 §4.2, :handle); empty: it is told by what it says
  const queue::Envelope& envelope;
  std::string session;                   // in which it came, as the log names it
};

// What comes of it. Neither: the account has no automatic answers.
struct Response {
  std::optional<delivery::Submission> reply = {};  // to go together with the message
  std::optional<Silence> silence = {};
  std::string from = {}, to = {};        // of the reply
  std::string message_id = {};           // and its id, brackets included
};

// Threads: any. Ownership: borrows all but its options; outlives what it makes.
class Responder {
 public:
  Responder(Options options, directory::Directory& directory, delivery::Delivery& delivery, const Answered& answered, Random& random)
      : options_(std::move(options)), directory_(directory), delivery_(delivery), answered_(answered), random_(random) {}

  // By the settings that the directory has of the account. `forwarder`, which may be null, knows whom senders of ours stand for.
  // Errors: none; what could not be asked is Silence::failed, for mail does not wait for an answer to it.
  [[nodiscard]] Task<Response> respond(Delivered message, const forwarding::Forwarder* forwarder, Context context) const;
  // By others, such as those of a script.
  [[nodiscard]] Task<Response> respond(directory::Account account, Settings settings, Delivered message, const forwarding::Forwarder* forwarder,
                                       Context context) const;

 private:
  [[nodiscard]] Task<Result<Response>> prepare(const directory::Account& account, const Settings& settings, const Delivered& message,
                                               const forwarding::Forwarder* forwarder, Context context) const;
  [[nodiscard]] Task<Result<std::optional<Silence>>> look_at_sender(const directory::Account& account, std::string sender, Context context) const;
  [[nodiscard]] Task<Result<std::optional<delivery::Submission>>> address(const Delivered& message, std::string_view text,
                                                                          const forwarding::Forwarder* forwarder, Context context) const;
  [[nodiscard]] std::string sign(std::string text, std::string_view from, WallTime now) const;

  Options options_;
  directory::Directory& directory_;
  delivery::Delivery& delivery_;
  const Answered& answered_;
  Random& random_;
};

}  // namespace keystonemail::autoreply
