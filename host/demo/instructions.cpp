// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "demo/instructions.hpp"

#include "base/format.hpp"
#include "keystonemail/crypto/certificate.hpp"

namespace keystonemail::host::demo {

namespace {

// For a shell.
std::string shell_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out += "'\\''";
    else out += c;
  }
  return out + "'";
}

void print_settings(const Scene& scene, Printer& printer) {
  printer.title("For a mail client");
  for (const Person* person : {&scene.alice, &scene.bob}) {
    printer.setting("User", person->login);
    printer.setting("Password", person->password);
    printer.setting("App password", person->app_password + "   (good for SCRAM too)");
  }
  printer.setting("Incoming IMAP", format("127.0.0.1 port {} STARTTLS, or port {} SSL/TLS", scene.ports.imap, scene.ports.imaps));
  printer.setting("Outgoing SMTP",
                  format("127.0.0.1 port {} STARTTLS, or port {} SSL/TLS", scene.ports.submission, scene.ports.submissions));
  printer.setting("Incoming SMTP", format("127.0.0.1 port {}, for mail from other servers", scene.ports.smtp));
  if (const auto certificate = crypto::read_certificate_pem(scene.certificate_pem))
    printer.setting("Certificate", "self-signed, SHA-256 " + certificate->fingerprint);
  if (!scene.certificate_path.empty()) printer.setting("", scene.certificate_path);
}

void print_commands(const Scene& scene, Printer& printer) {
  const Person &alice = scene.alice, &bob = scene.bob;
  const std::string trust = scene.certificate_path.empty() ? "--insecure" : "--cacert " + shell_quoted(scene.certificate_path);
  printer.title("Send, with swaks and with curl");
  printer.line(format("  swaks --server 127.0.0.1:{} --tls --auth PLAIN --auth-user {} --auth-password {} --from {} --to {} --header "
                      "'Subject: hello from swaks' --body 'Hello!'",
                      scene.ports.submission, alice.login, shell_quoted(alice.password), alice.login, bob.login));
  printer.line(format("  printf 'From: {}\\r\\nTo: {}\\r\\nSubject: hello from curl\\r\\n\\r\\nHello!\\r\\n' | curl --ssl-reqd {} --user {} "
                      "--mail-from {} --mail-rcpt {} --upload-file - smtp://127.0.0.1:{}",
                      alice.login, bob.login, trust, shell_quoted(alice.login + ":" + alice.password), alice.login, bob.login,
                      scene.ports.submission));
  printer.title("Read, with curl and with mutt");
  printer.line(format("  curl --ssl-reqd {} --user {} 'imap://127.0.0.1:{}/INBOX;MAILINDEX=1;SECTION=HEADER'", trust,
                      shell_quoted(bob.login + ":" + bob.password), scene.ports.imap));
  const std::string certificate = scene.certificate_path.empty() ? "" : " certificate_file=\"" + scene.certificate_path + "\"";
  const std::string settings = format("set imap_user=\"{}\" imap_pass=\"{}\" ssl_force_tls=yes{}", bob.login, bob.app_password, certificate);
  printer.line(format("  mutt -F /dev/null -e {} -f imaps://127.0.0.1:{}/INBOX", shell_quoted(settings), scene.ports.imaps));
}

}  // namespace

void print_instructions(const Scene& scene, const std::string& config_path, Printer& printer) {
  print_settings(scene, printer);
  print_commands(scene, printer);
  if (!config_path.empty()) {
    printer.title("Administer, while it runs");
    printer.line(format("  keystone-mail --config {} account list", shell_quoted(config_path)));
  }
}

}  // namespace keystonemail::host::demo
