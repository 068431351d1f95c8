// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Session: automatic answers of people here who are absent.
#include "service/reception/session.hpp"

#include <algorithm>
#include <utility>

#include "keystonemail/base/text.hpp"

namespace keystonemail::reception {

// Attack E4: an answer goes to the reverse-path, so that is what somebody has to vouch for.
autoreply::Proof Session::proof_of_sender() const {
  if (screening_.tag("dmarc") == "fail") return autoreply::Proof::forged;
  return is_vouched_for() ? autoreply::Proof::proven : autoreply::Proof::unproven;
}

Task<Session::Answers> Session::add_answers(delivery::Submission& submission, std::string message_id) {
  Answers answers;
  answers.first = submission.together.size();
  if (services_.responder == nullptr || transaction_->absent.empty()) co_return answers;
  const queue::Envelope original = envelope();
  const autoreply::Proof proof = proof_of_sender();
  for (const delivery::LocalRecipient& copy : submission.local) {
    if (!transaction_->absent.contains(copy.account)) continue;
    const auto found = std::ranges::find(transaction_->local, copy.account, &delivery::LocalRecipient::account);
    const auto place = static_cast<std::size_t>(found - transaction_->local.begin());
    autoreply::Delivered message{.account = copy.account, .header = transaction_->header_text(), .message_id = message_id, .envelope = original};
    message.sender = transaction_->sender_address;
    message.own = transaction_->own_addresses(place);
    message.proof = proof;
    message.is_spam = transaction_->verdict == policy::Verdict::quarantine;
    message.is_for_list = !transaction_->local_lists[place].empty();
    message.session = id_;
    autoreply::Response response;
    if (answers.given.size() >= autoreply::limits::answers_per_message_max) response.silence = autoreply::Silence::many_absent;
    else response = co_await services_.responder->respond(std::move(message), services_.forwarder.get(), working());
    if (response.silence) {
      submission.history.steps.push_back({.when = context_.executor->wall_now(), .what = "not answered", .recipient = transaction_->local_addresses[place],
                                          .host = {}, .text = std::string(autoreply::to_string(*response.silence))});
    }
    if (!response.reply) continue;
    submission.together.push_back(*std::move(response.reply));
    response.reply.reset();
    answers.given.push_back(std::move(response));
  }
  co_return answers;
}

void Session::log_answers(const Answers& answers, const delivery::Accepted& accepted, const std::string& message_id) const {
  for (std::size_t i = 0; i < answers.given.size(); ++i) {
    if (std::ranges::find(accepted.left_out, answers.first + i) != accepted.left_out.end()) continue;  // another one was faster
    const autoreply::Response& one = answers.given[i];
    services_.log.event(LogLevel::info, "smtp.answered", {{"session", id_}, {"message_id", message_id}, {"from", one.from}, {"to", one.to},
                                                          {"answer", one.message_id}});
  }
}

}  // namespace keystonemail::reception
