// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "demo/stage.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <utility>

#include "base/format.hpp"
#include "base/try.hpp"
#include "control/control.hpp"
#include "keystonemail/crypto/certificate.hpp"
#include "keystonemail/crypto/password.hpp"

namespace keystonemail::host::demo {

namespace {

constexpr auto domain = "demo.test";
constexpr auto device = "demo";
constexpr auto certificate_lifetime = std::chrono::days(365);
constexpr auto certificate_reserve = std::chrono::days(1);
constexpr std::size_t password_octets = 14;  // twelve letters in three groups: 60 bits

// Replaces the file as a whole; for the owner alone.
Result<void> write_file(const std::string& path, std::string_view text) {
  const std::string fresh = path + ".new";
  const int file = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  bool written = file >= 0 && ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  if (file >= 0) written = ::close(file) == 0 && written;
  if (!written || ::rename(fresh.c_str(), path.c_str()) != 0)
    return fail(ErrorKind::unavailable, format("cannot write {}: {}", path, std::strerror(errno)));
  return {};
}

// The words of the line that begins with `login`.
Person kept_person(const std::string& text, const std::string& login) {
  std::istringstream lines(text);
  for (Person person; lines >> person.login >> person.password >> person.app_password;)
    if (person.login == login) return person;
  return {};
}

}  // namespace

Stage::Stage(std::string data, libuv::UvLoop& loop, Printer& printer)
    : data_(std::move(data)), loop_(loop), printer_(printer), log_(LogFormat::logfmt, LogLevel::warning) {
  config_.hostname = "localhost";
  config_.primary_domain = domain;
  config_.data_directory = data_;
  config_.limits.trusted = {*IpNetwork::parse("127.0.0.0/8")};
  scene_.alice.login = format("alice@{}", domain);
  scene_.bob.login = format("bob@{}", domain);
}

Result<void> Stage::build() {
  if (!data_.empty()) KM_CHECK(make_directory());
  KM_CHECK(take_certificate());
  KM_CHECK(open_store());
  KM_CHECK(loop_.run_until(take_accounts()));
  KM_CHECK(listen());
  if (!data_.empty()) KM_CHECK(write_config());
  return {};
}

Result<void> Stage::make_directory() {
  std::error_code error;
  std::filesystem::create_directories(data_ + "/tls", error);
  if (error || chmod(data_.c_str(), 0700) != 0) return fail(ErrorKind::denied, format("cannot make {}", data_));
  return {};
}

Result<bool> Stage::use_certificate(const std::string& chain, const std::string& key) {
  const auto info = crypto::read_certificate_pem(chain);
  if (!info || info->not_after < loop_.wall_now() + certificate_reserve) return false;
  tls::ServerOptions options;
  options.certificates.push_back({chain, key});
  options.session_context = "keystone-mail";
  const auto made = tls::ServerContext::create(options);
  if (!made) return false;
  tls_ = *made;
  scene_.certificate_pem = chain;
  return true;
}

Result<void> Stage::take_certificate() {
  if (!data_.empty()) {
    scene_.certificate_path = data_ + "/tls/certificate.pem";
    const auto chain = read_file(scene_.certificate_path), key = read_file(data_ + "/tls/key.pem");
    if (chain && key) {
      KM_TRY(const bool good, use_certificate(*chain, *key));
      if (good) {
        printer_.done("certificate of an earlier run");
        return {};
      }
    }
  }
  return make_certificate();
}

Result<void> Stage::make_certificate() {
  crypto::CertificateRequest wanted;
  wanted.names = {"localhost", "127.0.0.1"};
  wanted.not_before = loop_.wall_now() - std::chrono::days(1);
  wanted.not_after = loop_.wall_now() + certificate_lifetime;
  KM_TRY(const auto issued, crypto::make_self_signed(wanted));
  KM_TRY(const bool good, use_certificate(issued.certificate_pem, std::string(issued.private_key_pem.view())));
  if (!good) return fail(ErrorKind::internal, "the new certificate cannot be used");
  if (!data_.empty()) {
    KM_CHECK(write_file(data_ + "/tls/key.pem", issued.private_key_pem.view()));
    KM_CHECK(write_file(scene_.certificate_path, issued.certificate_pem));
  }
  printer_.done("self-signed certificate made for localhost and 127.0.0.1");
  return {};
}

Result<void> Stage::open_store() {
  const Stores::TlsProvider tls = [this] { return tls_; };
  KM_TRY(stores_, loop_.run_until(data_.empty() ? Stores::open_in_memory(config_, log_, tls, Context{&loop_})
                                                : Stores::open(config_, log_, tls, Context{&loop_})));
  printer_.done(data_.empty() ? "store opened in memory" : "store opened in " + data_);
  return {};
}

// Passwords of an earlier run stay good as long as the file that remembers them is there. Gives whether they did.
Task<Result<bool>> Stage::take_account(Person& person, std::string kept, Context context) {
  accounts::Accounts& accounts = stores_->server->accounts();
  const auto there = co_await accounts.find_account(person.login, context);
  if (!there && there.error().kind() != ErrorKind::not_found) co_return std::unexpected(there.error());
  Person known = kept_person(kept, person.login);
  if (there && !known.login.empty()) {
    person = std::move(known);
    co_return true;
  }
  person.password = std::string(crypto::generate_app_password(stores_->random).view().substr(0, password_octets));
  crypto::SecretString password(person.password);
  if (there) {
    KM_CO_CHECK(co_await accounts.set_password(person.login, std::move(password), accounts::Accounts::ScramForPassword::no, context));
    (void)co_await accounts.remove_app_password(person.login, device, context);  // it may never have been made
  } else {
    accounts::NewAccount wanted;
    wanted.login = person.login;
    wanted.password = std::move(password);
    KM_CO_CHECK(co_await accounts.add_account(std::move(wanted), context));
  }
  accounts::AppPassword wanted;
  wanted.name = device;
  KM_CO_TRY(const crypto::SecretString made, co_await accounts.add_app_password(person.login, std::move(wanted), context));
  person.app_password = std::string(made.view());
  co_return false;
}

Task<Result<void>> Stage::take_accounts() {
  const Context context{&loop_};
  const std::string path = data_ + "/demo-accounts";
  const std::string kept = data_.empty() ? std::string() : read_file(path).value_or("");
  bool all_kept = true;
  std::string text;
  for (Person* person : {&scene_.alice, &scene_.bob}) {
    std::string lines = kept;
    KM_CO_TRY(const bool was_kept, co_await take_account(*person, std::move(lines), context));
    all_kept = all_kept && was_kept;
    format_to(text, "{} {} {}\n", person->login, person->password, person->app_password);
  }
  if (!data_.empty() && !all_kept) KM_CO_CHECK(write_file(path, text));
  printer_.done(format("accounts {} and {}{}", scene_.alice.login, scene_.bob.login, all_kept ? ", with the passwords of an earlier run" : ""));
  co_return {};
}

Result<void> Stage::listen(const keystonemail::ListenerOptions& options, std::uint16_t& port) {
  libuv::ListenOptions where;
  where.address = {IpAddress::v4({127, 0, 0, 1}), port};
  auto listener = loop_.listen(where, stores_->server->handler(options));
  if (!listener && listener.error().kind() == ErrorKind::conflict) {  // taken: any other will do
    where.address.port = 0;
    listener = loop_.listen(where, stores_->server->handler(options));
  }
  if (!listener) return std::unexpected(listener.error());
  port = (*listener)->local().port;
  listeners_.push_back(std::move(*listener));
  return {};
}

Result<void> Stage::listen() {
  using enum keystonemail::Protocol;
  using keystonemail::TlsUse;
  Ports& ports = scene_.ports;
  KM_CHECK(listen({.protocol = smtp, .tls = TlsUse::starttls}, ports.smtp));
  KM_CHECK(listen({.protocol = submission, .tls = TlsUse::starttls}, ports.submission));
  KM_CHECK(listen({.protocol = submission, .tls = TlsUse::implicit}, ports.submissions));
  KM_CHECK(listen({.protocol = imap, .tls = TlsUse::starttls}, ports.imap));
  KM_CHECK(listen({.protocol = imap, .tls = TlsUse::implicit}, ports.imaps));
  if (!data_.empty())
    if (auto control = control::listen(loop_, data_, *stores_)) listeners_.push_back(std::move(*control));
  printer_.done(format("listening on 127.0.0.1: smtp {}, submission {}, submissions {}, imap {}, imaps {}", ports.smtp, ports.submission,
                       ports.submissions, ports.imap, ports.imaps));
  return {};
}

// So that the other commands reach the demo, and `serve` can take over from it.
Result<void> Stage::write_config() {
  config_path_ = data_ + "/keystone-mail.toml";
  const auto text_of = [](std::string_view value) {
    std::string out = "\"";
    for (const char c : value) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
    return out + "\"";
  };
  std::string text;
  format_to(text, "# Written by keystone-mail demo, anew at each start.\nhostname = \"{}\"\nprimary_domain = \"{}\"\ndata_directory = {}\n\n",
            config_.hostname, config_.primary_domain, text_of(data_));
  format_to(text, "[tls]\ncertificate = {}\nprivate_key = {}\n", text_of(scene_.certificate_path), text_of(data_ + "/tls/key.pem"));
  const Ports& ports = scene_.ports;
  for (const auto& [protocol, port] : {std::pair<std::string_view, std::uint16_t>{"smtp", ports.smtp}, {"submission", ports.submission},
                                       {"submissions", ports.submissions}, {"imap", ports.imap}, {"imaps", ports.imaps}})
    format_to(text, "\n[[listener]]\nprotocol = \"{}\"\naddress = \"127.0.0.1:{}\"\n", protocol, port);
  text += "\n[limits]\ntrusted = [\"127.0.0.0/8\"]\n";
  return write_file(config_path_, text);
}

}  // namespace keystonemail::host::demo
