// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "control/message.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "base/try.hpp"
#include "json/value.hpp"

namespace keystonemail::host::control {

namespace {

constexpr std::size_t length_octets = 4;

std::array<char, length_octets> length_prefix(std::size_t length) {
  std::array<char, length_octets> out;
  for (std::size_t i = 0; i < length_octets; ++i) out[i] = static_cast<char>(length >> (8 * (length_octets - 1 - i)));
  return out;
}

Result<std::vector<std::string>> texts_of(const json::Value& value, std::string_view name) {
  const json::Value* member = json::member(value, name);
  const auto* list = member ? std::get_if<json::Array>(member) : nullptr;
  if (!list || list->size() > limits::arguments_max) return fail(ErrorKind::invalid, "the request has no list of " + std::string(name));
  std::vector<std::string> out;
  for (const json::Value& one : *list) {
    const auto* word = std::get_if<std::string>(&one);
    if (!word) return fail(ErrorKind::invalid, "one of the " + std::string(name) + " is not a text");
    out.push_back(*word);
  }
  return out;
}

}  // namespace

std::string encode(const AdminRequest& request) {
  json::Array arguments;
  for (const std::string& one : request.arguments) arguments.emplace_back(one);
  json::Array options;
  for (const std::string& one : request.options) options.emplace_back(one);
  json::Object out;
  out.emplace("noun", request.noun);
  out.emplace("verb", request.verb);
  out.emplace("arguments", std::move(arguments));
  out.emplace("password", request.password);
  out.emplace("password_hash", request.password_hash);
  out.emplace("name", request.name);
  out.emplace("options", std::move(options));
  return json::serialise(json::Value(std::move(out)));
}

std::string encode(const AdminReply& reply) {
  json::Object out;
  out.emplace("status", std::int64_t{reply.status});
  out.emplace("text", reply.text);
  out.emplace("json", reply.json);
  out.emplace("error", reply.error);
  out.emplace("warning", reply.warning);
  return json::serialise(json::Value(std::move(out)));
}

std::string encode(const Progress::Step& step) {
  json::Object out;
  out.emplace("step", step.label);
  out.emplace("unit", step.unit);
  out.emplace("total", static_cast<std::int64_t>(step.total));
  out.emplace("done", static_cast<std::int64_t>(step.done));
  out.emplace("octets", static_cast<std::int64_t>(step.octets));
  return json::serialise(json::Value(std::move(out)));
}

std::optional<Progress::Step> decode_step(std::string_view text) {
  const auto value = json::parse(text);
  if (!value || json::member(*value, "step") == nullptr) return std::nullopt;
  const auto number = [&](std::string_view name) { return static_cast<std::uint64_t>(std::max<std::int64_t>(0, json::number_member(*value, name))); };
  return Progress::Step{json::text_member(*value, "step"), json::text_member(*value, "unit"), number("total"), number("done"),
                        number("octets")};
}

Result<AdminRequest> decode_request(std::string_view text) {
  KM_TRY(const json::Value value, json::parse(text));
  AdminRequest request;
  request.noun = json::text_member(value, "noun");
  request.verb = json::text_member(value, "verb");
  request.password = json::text_member(value, "password");
  request.password_hash = json::text_member(value, "password_hash");
  request.name = json::text_member(value, "name");
  KM_TRY(request.arguments, texts_of(value, "arguments"));
  if (json::member(value, "options")) {
    KM_TRY(request.options, texts_of(value, "options"));
  }
  return request;
}

Result<AdminReply> decode_reply(std::string_view text) {
  KM_TRY(const json::Value value, json::parse(text));
  AdminReply reply;
  reply.status = static_cast<int>(json::number_member(value, "status", 1));
  reply.text = json::text_member(value, "text");
  reply.json = json::text_member(value, "json");
  reply.error = json::text_member(value, "error");
  reply.warning = json::text_member(value, "warning");
  return reply;
}

Task<Result<std::string>> read_frame(transport::ByteStream& stream, std::size_t octets_max, Context context) {
  std::string held;
  std::size_t wanted = length_octets;
  bool has_length = false;
  while (held.size() < wanted || !has_length) {
    if (held.size() >= wanted) {  // the length is here
      std::size_t length = 0;
      for (std::size_t i = 0; i < length_octets; ++i) length = length << 8 | static_cast<unsigned char>(held[i]);
      if (length > octets_max) co_return fail(ErrorKind::too_large, "the message is too large");
      has_length = true;
      wanted += length;
      continue;
    }
    KM_CO_TRY(const std::string_view octets, co_await stream.read(context));
    if (octets.empty()) co_return fail(ErrorKind::invalid, "the connection ended within a message");
    const std::size_t taken = std::min(octets.size(), wanted - held.size());
    held.append(octets.substr(0, taken));
    stream.consume(taken);
  }
  held.erase(0, length_octets);
  co_return held;
}

Task<Result<void>> write_frame(transport::ByteStream& stream, std::string text, Context context) {
  const auto prefix = length_prefix(text.size());
  const std::array<std::string_view, 2> pieces{std::string_view(prefix.data(), prefix.size()), text};
  co_return co_await stream.write(pieces, std::move(context));
}

}  // namespace keystonemail::host::control
