// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/autoreply/responder.hpp"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/try.hpp"
#include "keystonemail/autoreply/reply.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/mailauth/dkim/signer.hpp"
#include "keystonemail/mime/address.hpp"
#include "keystonemail/service/forwarding/report_route.hpp"

namespace keystonemail::autoreply {
namespace {

Response silent(Silence why) { return {.silence = why}; }

}  // namespace

Task<Response> Responder::respond(Delivered message, const forwarding::Forwarder* forwarder, Context context) const {
  auto absence = co_await directory_.absence(message.account, context);
  if (!absence) co_return silent(Silence::failed);
  if (!*absence) co_return Response();
  directory::Absence known = **std::move(absence);
  co_return co_await respond(std::move(known.account), std::move(known.settings), std::move(message), forwarder, std::move(context));
}

Task<Response> Responder::respond(directory::Account account, Settings settings, Delivered message, const forwarding::Forwarder* forwarder,
                                  Context context) const {
  message.own.push_back(account.login);
  auto prepared = co_await prepare(account, settings, message, forwarder, std::move(context));
  co_return prepared ? *std::move(prepared) : silent(Silence::failed);
}

Task<Result<Response>> Responder::prepare(const directory::Account& account, const Settings& settings, const Delivered& message,
                                          const forwarding::Forwarder* forwarder, Context context) const {
  const WallTime now = context.executor->wall_now();
  Occasion occasion{.header = message.header, .sender = message.sender, .own = message.own};
  occasion.proof = message.proof;
  occasion.is_spam = message.is_spam;
  occasion.is_for_list = message.is_for_list;
  occasion.now = now;
  Decision decision = decide(settings, occasion);
  if (!decision.answers()) co_return silent(*decision.silence);
  KM_CO_TRY(const auto objection, co_await look_at_sender(account, message.sender, context));
  if (objection) co_return silent(*objection);
  Answered::Answer answer{.account = account.id, .to = message.sender, .response = message.response.empty() ? response_name(settings) : message.response};
  answer.within = std::chrono::days(settings.days);
  KM_CO_TRY(const auto lately, co_await answered_.objection(answer, context));
  if (lately) co_return silent(*lately);

  Response response;
  response.from = settings.address.empty() ? std::move(decision.address) : settings.address;
  response.to = message.sender;
  Answer words{.from_name = account.display_name, .from_address = response.from, .to = message.sender, .hostname = options_.hostname};
  words.unique = random_.hex(16);
  words.seed = random_.next_u64();
  words.header = message.header;
  words.now = now;
  response.message_id = "<" + words.unique + "@" + words.hostname + ">";
  const std::string text = sign(build_reply(settings, words), response.from, now);
  KM_CO_TRY(response.reply, co_await address(message, text, forwarder, context));
  if (!response.reply) co_return silent(Silence::nobody_there);
  delivery::Submission& reply = *response.reply;
  if (reply.remote) {
    reply.remote->message_id = response.message_id;
    reply.remote->session = message.session;
    reply.remote->origin = "automatic answer of " + response.from;
  }
  KM_CO_TRY(const auto writer, delivery_.create_message());
  KM_CO_CHECK(co_await writer->write(text, context));
  KM_CO_TRY(reply.message, co_await writer->finish(context));
  reply.condition = answered_.remember(std::move(answer), now);
  reply.history.message_id = message.message_id;
  reply.history.steps.push_back({.when = now, .what = "answered", .recipient = response.to, .host = {},
                                 .text = "for " + account.login + ", as " + response.message_id});
  co_return response;
}

// An address here may be a list, or lead to the account itself.
Task<Result<std::optional<Silence>>> Responder::look_at_sender(const directory::Account& account, std::string sender, Context context) const {
  KM_CO_TRY(const auto resolved, co_await directory_.resolve(sender, std::move(context)));
  const auto* here = std::get_if<directory::Mailboxes>(&resolved);
  if (here == nullptr) {
    const bool leads_on = std::holds_alternative<directory::NotLocal>(resolved);
    co_return leads_on ? std::nullopt : std::optional(Silence::nobody_there);
  }
  if (!here->lists.empty()) co_return std::optional(Silence::list);
  const bool is_own = std::ranges::any_of(here->local, [&](const auto& one) { return one.account == account.id; });
  co_return is_own ? std::optional(Silence::own_sender) : std::nullopt;
}

// Where it goes; nothing when nobody is there. An answer is not worth keeping a message waiting for a mailbox that is full.
Task<Result<std::optional<delivery::Submission>>> Responder::address(const Delivered& message, std::string_view text,
                                                                     const forwarding::Forwarder* forwarder, Context context) const {
  std::optional<delivery::Submission> reply;
  delivery::Submission made;
  std::string sender = message.sender;
  KM_CO_TRY(const bool somebody, co_await forwarding::address_report(directory_, forwarder, std::move(sender), message.envelope, made, context));
  if (!somebody) co_return reply;
  for (const auto& local : made.local) {
    KM_CO_TRY(const bool room, co_await delivery_.has_room(local.account, text.size(), context));
    if (!room) co_return reply;
  }
  if (made.remote) {
    made.remote->envelope.smtputf8 = made.remote->envelope.eight_bit = !is_ascii(text);
    made.remote->envelope.binary = false;
  }
  reply = std::move(made);
  co_return reply;
}

// As other mail of that domain is; what cannot be signed goes as it is, like other mail.
std::string Responder::sign(std::string text, std::string_view from, WallTime now) const {
  const auto address = mime::Address::parse(from);
  const auto keys = options_.keys && address ? options_.keys(address->domain()) : nullptr;
  if (!keys || keys->keys.empty()) return text;
  mailauth::dkim::Signer signer(*keys);
  signer.receive(text);
  const auto fields = signer.receive_end(now);
  return fields ? *fields + text : text;
}

}  // namespace keystonemail::autoreply
