// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The grammar of RFC 5802 §7.
#include <algorithm>
#include <cassert>
#include <span>

#include "crypto/base64.hpp"
#include "keystonemail/base/text.hpp"
#include "sasl/scram.hpp"
#include "sasl/text.hpp"

namespace keystonemail::sasl::scram {
namespace {

// The next attribute, up to a comma or the end.
std::string_view take_attribute(std::string_view& rest) noexcept {
  const auto part = rest.substr(0, rest.find(','));
  rest.remove_prefix(std::min(rest.size(), part.size() + 1));
  return part;
}

// "<letter>=" value, the value not empty.
std::optional<std::string_view> value_of(std::string_view attribute, char letter) noexcept {
  if (attribute.size() < 3 || attribute[0] != letter || attribute[1] != '=') return std::nullopt;
  return attribute.substr(2);
}

// saslname = 1*(value-safe-char / "=2C" / "=3D")
std::optional<std::string> decode_name(std::string_view text, std::size_t octets_max) {
  std::string name;
  while (!text.empty()) {
    if (text[0] != '=') {
      name.push_back(text[0]);
      text.remove_prefix(1);
    } else if (text.starts_with("=2C") || text.starts_with("=3D")) {
      name.push_back(text[1] == '2' ? ',' : '=');
      text.remove_prefix(3);
    } else {
      return std::nullopt;
    }
    if (name.size() > octets_max) return std::nullopt;
  }
  return is_identity(name, octets_max) ? std::optional(std::move(name)) : std::nullopt;
}

// printable = %x21-2B / %x2D-7E
bool is_nonce(std::string_view text, std::size_t octets_max) noexcept {
  return !text.empty() && text.size() <= octets_max && std::ranges::all_of(text, [](char c) { return c >= 0x21 && c <= 0x7e && c != ','; });
}

// cb-name = 1*(ALPHA / DIGIT / "." / "-")
bool is_binding_name(std::string_view text) noexcept {
  return !text.empty() && text.size() <= 64 &&
         std::ranges::all_of(text, [](char c) { return is_alpha(c) || is_digit(c) || c == '.' || c == '-'; });
}

// extensions = attr-val *("," attr-val); those we do not know are ignored (§5.1).
bool are_extensions(std::string_view rest) noexcept {
  while (!rest.empty()) {
    const bool more = rest.find(',') != std::string_view::npos;
    const auto attribute = take_attribute(rest);
    if (attribute.size() < 3 || !is_alpha(attribute[0]) || attribute[1] != '=' || attribute.find('\0') != std::string_view::npos) return false;
    if (more && rest.empty()) return false;
  }
  return true;
}

// gs2-header = gs2-cbind-flag "," [ authzid ] ","
bool take_gs2_header(std::string_view& rest, ClientFirst& first) {
  const auto whole = rest;
  const auto flag = take_until(rest, ',');
  const auto authorization = flag ? take_until(rest, ',') : std::nullopt;
  if (!authorization) return false;
  if (*flag == "n") {
    first.binding = Binding::unsupported;
  } else if (*flag == "y") {
    first.binding = Binding::believed_absent;
  } else if (const auto name = value_of(*flag, 'p'); name && is_binding_name(*name)) {
    first.binding = Binding::used;
    first.binding_name = *name;
  } else {
    return false;
  }
  if (!authorization->empty()) {
    const auto encoded = value_of(*authorization, 'a');
    auto name = encoded ? decode_name(*encoded, limits::authorization_id_octets_max) : std::nullopt;
    if (!name) return false;
    first.authorization_id = *std::move(name);
  }
  first.gs2_header = whole.substr(0, whole.size() - rest.size());
  return true;
}

}  // namespace

std::expected<ClientFirst, Fault> parse_client_first(std::string_view message) {
  ClientFirst first;
  auto rest = message;
  if (!take_gs2_header(rest, first)) return std::unexpected(Fault::grammar);
  first.bare = rest;
  if (rest.starts_with("m=")) return std::unexpected(Fault::mandatory_extension);
  const auto name = value_of(take_attribute(rest), 'n');
  auto login = name ? decode_name(*name, limits::login_octets_max) : std::nullopt;
  const bool extended = std::ranges::count(first.bare, ',') > 1;
  const auto nonce = value_of(take_attribute(rest), 'r');
  if (!login || !nonce || !is_nonce(*nonce, limits::nonce_octets_max)) return std::unexpected(Fault::grammar);
  if (extended && (rest.empty() || !are_extensions(rest))) return std::unexpected(Fault::grammar);
  first.login = *std::move(login);
  first.nonce = *nonce;
  return first;
}

std::expected<ClientFinal, Fault> parse_client_final(std::string_view message) {
  ClientFinal final;
  // The proof is last, whatever extensions stand before it.
  const auto before_proof = message.rfind(",p=");
  if (before_proof == std::string_view::npos) return std::unexpected(Fault::grammar);
  final.without_proof = message.substr(0, before_proof);
  auto proof = crypto::from_base64(message.substr(before_proof + 3));
  auto rest = final.without_proof;
  const auto binding = value_of(take_attribute(rest), 'c');
  const auto nonce = value_of(take_attribute(rest), 'r');
  if (!proof || proof->empty() || !binding || !nonce || final.without_proof.ends_with(',') || !are_extensions(rest)) return std::unexpected(Fault::grammar);
  if (rest.starts_with("m=") || rest.find(",m=") != std::string_view::npos) return std::unexpected(Fault::mandatory_extension);
  final.binding = *binding;
  final.nonce = *nonce;
  final.proof = *std::move(proof);
  return final;
}

std::expected<ServerFirst, Fault> parse_server_first(std::string_view message) {
  ServerFirst first;
  auto rest = message;
  if (rest.starts_with("m=")) return std::unexpected(Fault::mandatory_extension);
  const auto nonce = value_of(take_attribute(rest), 'r');
  const auto salt_text = value_of(take_attribute(rest), 's');
  const auto count_text = value_of(take_attribute(rest), 'i');
  auto salt = salt_text ? crypto::from_base64(*salt_text) : std::nullopt;
  const std::uint64_t count = count_text ? parse_decimal(*count_text, UINT32_MAX).value_or(0) : 0;
  if (!nonce || !is_nonce(*nonce, 2 * limits::nonce_octets_max) || !salt || salt->empty() || count == 0 || !are_extensions(rest)) {
    return std::unexpected(Fault::grammar);
  }
  first.nonce = *nonce;
  first.salt = *std::move(salt);
  first.iterations = static_cast<std::uint32_t>(count);
  return first;
}

std::optional<std::string> parse_server_final(std::string_view message) {
  const auto value = value_of(take_attribute(message), 'v');
  return value && are_extensions(message) ? crypto::from_base64(*value) : std::nullopt;
}

std::string encode_name(std::string_view name) {
  std::string text;
  for (const char c : name) {
    if (c == ',') text += "=2C";
    else if (c == '=') text += "=3D";
    else text.push_back(c);
  }
  return text;
}

const std::optional<std::string>* find_binding(const ChannelBindings& bindings, std::string_view name) noexcept {
  const auto* found = name == "tls-exporter" ? &bindings.exporter : name == "tls-server-end-point" ? &bindings.end_point : nullptr;
  return found && found->has_value() ? found : nullptr;
}

std::string exclusive_or(std::string_view a, std::string_view b) {
  assert(a.size() == b.size());
  std::string result(a);
  for (std::size_t i = 0; i < b.size(); ++i) result[i] = static_cast<char>(result[i] ^ b[i]);
  return result;
}

std::string make_nonce(Random& random) {
  std::string octets(18, '\0');
  random.fill(std::as_writable_bytes(std::span(octets)));
  return crypto::to_base64(octets);
}

}  // namespace keystonemail::sasl::scram
