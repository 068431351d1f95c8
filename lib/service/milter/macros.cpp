// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/milter/macros.hpp"

#include <algorithm>
#include <utility>

namespace keystonemail::milter {
namespace {

std::string_view domain_of(std::string_view address) {
  const auto at = address.rfind('@');
  return at == std::string_view::npos ? std::string_view() : address.substr(at + 1);
}

// The cipher of "tls TLS_AES_128_GCM_SHA256 group X25519".
std::string_view cipher_of(std::string_view clause) {
  clause.remove_prefix(std::min(clause.find(' ') + 1, clause.size()));
  return clause.substr(0, clause.find(' '));
}

std::string key_bits(std::string_view cipher) {
  for (const char* bits : {"128", "256"}) {
    if (cipher.find(bits) != std::string_view::npos) return bits;
  }
  return cipher.find("CHACHA20") != std::string_view::npos ? "256" : "";
}

}  // namespace

Macros::Macros(policy::Stage stage, const policy::Facts& facts, const ClientName& name, std::string id) {
  const policy::Connection& connection = facts.connection;
  const std::string client = connection.peer.address.to_string();
  add("j", connection.hostname);
  add("v", "Keystone Mail");
  add("_", name.name.empty() ? "[" + client + "]" : name.name + " [" + client + "]");
  add("{daemon_name}", connection.service);
  add("{daemon_addr}", connection.local.address.to_string());
  add("{daemon_port}", std::to_string(connection.local.port));
  add("{if_name}", connection.hostname);
  add("{if_addr}", connection.local.address.to_string());
  add("{client_addr}", client);
  add("{client_port}", std::to_string(connection.peer.port));
  add("{client_name}", name.shown(connection.peer.address));
  add("{client_ptr}", name.pointer.empty() ? "unknown" : name.pointer);
  add("{client_resolve}", name.resolve);
  if (!facts.tls.empty()) {
    const std::string_view cipher = cipher_of(facts.tls);
    add("{tls_version}", cipher.starts_with("TLS_") ? "TLSv1.3" : "TLSv1.2");
    add("{cipher}", std::string(cipher));
    add("{cipher_bits}", key_bits(cipher));
  }
  add("{auth_authen}", std::string(facts.login));
  add("{auth_type}", std::string(facts.mechanism));
  if (stage < policy::Stage::mail) return;
  add("i", std::move(id));
  add("{mail_addr}", std::string(facts.sender));
  add("{mail_host}", std::string(domain_of(facts.sender)));
  add("{mail_mailer}", "smtp");
  if (stage != policy::Stage::rcpt || facts.recipients.empty()) return;
  if (!facts.refusal.empty()) {  // as Postfix and Sendmail tell of those
    std::string_view text = facts.refusal.substr(std::min<std::size_t>(facts.refusal.size(), 4));
    const std::string_view status = text.substr(0, text.find(' '));
    add("{rcpt_mailer}", "error");
    add("{rcpt_host}", std::string(status));
    add("{rcpt_addr}", std::string(text.substr(std::min(text.size(), status.size() + 1))));
    return;
  }
  const policy::Recipient& recipient = facts.recipients.back();
  add("{rcpt_addr}", recipient.address);
  add("{rcpt_host}", std::string(domain_of(recipient.address)));
  add("{rcpt_mailer}", recipient.local ? "local" : "smtp");
}

void Macros::add(std::string_view name, std::string value) {
  if (value.empty()) return;
  values_.push_back(std::move(value));
  list_.push_back({name, values_.back()});
}

}  // namespace keystonemail::milter
