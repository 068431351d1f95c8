// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "base/format.hpp"
#include "base/try.hpp"
#include "commands/commands.hpp"
#include "dkim/dkim_keys.hpp"
#include "keystonemail/codec/idna.hpp"
#include "keystonemail/crypto/certificate.hpp"
#include "server/privileges.hpp"

namespace keystonemail::host {

namespace {

constexpr auto certificate_lifetime = std::chrono::days(825);

Result<void> write_new_file(const std::string& path, std::string_view text, mode_t mode) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (file < 0) return fail(errno == EEXIST ? ErrorKind::conflict : ErrorKind::denied, format("cannot write {}: {}", path, std::strerror(errno)));
  const bool written = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fsync(file) == 0;
  const int error = errno;
  ::close(file);
  if (!written) return fail(ErrorKind::unavailable, format("cannot write {}: {}", path, std::strerror(error)));
  return {};
}

// A TOML basic string (https://toml.io/en/v1.0.0#string).
std::string toml_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string config_text(const InitRequest& request) {
  std::string out;
  format_to(out, "# Keystone Mail. All keys: keystone-mail help config\nhostname = {}\nprimary_domain = {}\ndata_directory = {}\n\n",
            toml_text(request.hostname), toml_text(request.domain), toml_text(request.data));
  const std::string certificate = toml_text(request.self_signed ? request.data + "/tls/certificate.pem" : "/etc/keystone-mail/fullchain.pem");
  const std::string key = toml_text(request.self_signed ? request.data + "/tls/key.pem" : "/etc/keystone-mail/key.pem");
  format_to(out, "[tls]\ncertificate = {}\nprivate_key = {}\n", certificate, key);
  return out;
}

Result<void> make_certificate(const InitRequest& request) {
  const std::string directory = request.data + "/tls";
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST)
    return fail(ErrorKind::denied, format("cannot make {}: {}", directory, std::strerror(errno)));
  const WallTime now = SystemClock().wall_now();
  crypto::CertificateRequest wanted;
  const auto host = codec::to_ascii_domain(request.hostname), domain = codec::to_ascii_domain(request.domain);
  if (!host || !domain) return fail(ErrorKind::invalid, format("{} is no name for a certificate", host ? request.domain : request.hostname));
  wanted.names = {*host, "mta-sts." + *domain};
  wanted.not_before = now - std::chrono::days(1);
  wanted.not_after = now + certificate_lifetime;
  KM_TRY(const auto issued, crypto::make_self_signed(wanted));
  KM_CHECK(write_new_file(directory + "/key.pem", issued.private_key_pem.view(), 0600));
  return write_new_file(directory + "/certificate.pem", issued.certificate_pem, 0644);
}

// Those of an earlier try stay: their records may be published.
Result<void> make_signing_keys(const InitRequest& request) {
  const auto made = DkimKeys::open(request.data + "/dkim")->generate(request.domain, SystemClock().wall_now());
  if (!made && made.error().kind() != ErrorKind::conflict) return std::unexpected(made.error());
  return {};
}

Result<void> initialise(const InitRequest& request) {
  const std::string text = config_text(request);
  const ConfigReading reading = read_config(text);
  if (!reading.errors.empty()) return fail(ErrorKind::invalid, reading.errors.front().text);
  if (::access(request.config.c_str(), F_OK) == 0) return fail(ErrorKind::conflict, format("{} is there already", request.config));
  std::error_code error;
  const std::filesystem::path place = std::filesystem::path(request.config).parent_path();  // first: without it all else would be for nothing
  if (!place.empty()) std::filesystem::create_directories(place, error);
  if (error || ::access(place.empty() ? "." : place.c_str(), W_OK) != 0)
    return fail(ErrorKind::denied, format("cannot write {}: {}", request.config, error ? error.message() : std::strerror(errno)));
  std::filesystem::create_directories(request.data, error);
  if (error || chmod(request.data.c_str(), 0700) != 0) return fail(ErrorKind::denied, format("cannot make {}", request.data));
  if (request.self_signed) KM_CHECK(make_certificate(request));
  KM_CHECK(make_signing_keys(request));
  KM_CHECK(give_data(request.data, {}));
  return write_new_file(request.config, text, 0644);
}

}  // namespace

int run_init(const InitRequest& given, Output output) {
  InitRequest request = given;
  std::error_code error;
  request.data = std::filesystem::absolute(given.data, error).lexically_normal().string();
  if (const auto done = initialise(request); !done)
    return report_error(output, done.error().text(), done.error().kind() == ErrorKind::invalid ? 2 : 1);
  if (output == Output::json) {
    std::printf("{\"ok\":true,\"config\":%s,\"data_directory\":%s}\n", json_text(request.config).c_str(), json_text(request.data).c_str());
  } else {
    const std::string command = "keystone-mail --config " + request.config;
    const std::string text = format(
        "wrote {}\n{}made DKIM keys for {}\n\nnext:\n"
        "  {} account add you@{} --password-stdin\n"
        "  {} dns               the records to publish for {}\n"
        "  {} check             is all that the configuration names there?\n"
        "  {} serve\n"
        "  {} check dns         does the world see the records?\n",
        request.config, request.self_signed ? "made a self-signed certificate\n" : "put your certificate where [tls] says\n", request.domain, command,
        request.domain, command, request.domain, command, command, command);
    std::fputs(text.c_str(), stdout);
  }
  return 0;
}

}  // namespace keystonemail::host
