// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <utility>
#include <vector>

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

namespace fs = std::filesystem;

// What init has made so far, to take back unless all of it is done: a second try then finds what the first one found.
class Made {
 public:
  Made() = default;
  Made(const Made&) = delete;
  Made& operator=(const Made&) = delete;
  ~Made() {
    std::error_code error;
    for (auto path = paths_.rbegin(); path != paths_.rend(); ++path) fs::remove_all(*path, error);
  }
  void add(fs::path path) { paths_.push_back(std::move(path)); }
  // For what somebody else will make, with all that is in it.
  void add_if_new(const fs::path& path) {
    std::error_code error;
    if (!fs::exists(path, error)) add(path);
  }
  void keep() { paths_.clear(); }

 private:
  std::vector<fs::path> paths_;
};

// With those above it. Only what is made anew gets the mode.
Result<void> make_directory(Made& made, const fs::path& path, mode_t mode) {
  std::error_code error;
  if (path.empty() || fs::is_directory(path, error)) return {};
  if (!path.has_filename()) return make_directory(made, path.parent_path(), mode);  // "data/"
  if (path.parent_path() != path) KM_CHECK(make_directory(made, path.parent_path(), 0755));
  if (mkdir(path.c_str(), mode) != 0) return fail(ErrorKind::denied, format("cannot make {}: {}", path.string(), std::strerror(errno)));
  made.add(path);
  if (chmod(path.c_str(), mode) != 0) return fail(ErrorKind::denied, format("cannot make {}: {}", path.string(), std::strerror(errno)));
  return {};
}

Result<void> write_new_file(Made& made, const std::string& path, std::string_view text, mode_t mode) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (file < 0) return fail(errno == EEXIST ? ErrorKind::conflict : ErrorKind::denied, format("cannot write {}: {}", path, std::strerror(errno)));
  made.add(path);
  const bool written = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && ::fchmod(file, mode) == 0 && ::fsync(file) == 0;
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

Result<void> make_certificate(Made& made, const InitRequest& request) {
  const std::string directory = request.data + "/tls";
  KM_CHECK(make_directory(made, directory, 0700));
  const WallTime now = SystemClock().wall_now();
  crypto::CertificateRequest wanted;
  const auto host = codec::to_ascii_domain(request.hostname), domain = codec::to_ascii_domain(request.domain);
  if (!host || !domain) return fail(ErrorKind::invalid, format("{} is no name for a certificate", host ? request.domain : request.hostname));
  wanted.names = {*host, "mta-sts." + *domain};
  wanted.not_before = now - std::chrono::days(1);
  wanted.not_after = now + certificate_lifetime;
  KM_TRY(const auto issued, crypto::make_self_signed(wanted));
  KM_CHECK(write_new_file(made, directory + "/key.pem", issued.private_key_pem.view(), 0600));
  return write_new_file(made, directory + "/certificate.pem", issued.certificate_pem, 0644);
}

// Those of an earlier try stay: their records may be published.
Result<void> make_signing_keys(Made& made, const InitRequest& request) {
  const std::string directory = request.data + "/dkim";
  made.add_if_new(directory);
  made.add_if_new(directory + "/" + codec::to_ascii_domain(request.domain).value_or(request.domain));
  const auto keys = DkimKeys::open(directory)->generate(request.domain, SystemClock().wall_now());
  if (!keys && keys.error().kind() != ErrorKind::conflict) return std::unexpected(keys.error());
  return {};
}

Result<void> initialise(const InitRequest& request) {
  const std::string text = config_text(request);
  const ConfigReading reading = read_config(text);
  if (!reading.errors.empty()) return fail(ErrorKind::invalid, reading.errors.front().text);
  if (::access(request.config.c_str(), F_OK) == 0) return fail(ErrorKind::conflict, format("{} is there already: edit it, or name another file with --config", request.config));
  Made made;
  // It holds no secrets, and who becomes the user has to read it again.
  if (const auto folder = make_directory(made, fs::path(request.config).parent_path(), 0755); !folder)
    return fail(folder.error().kind(), format("cannot write {}: {}", request.config, folder.error().text()));
  KM_CHECK(make_directory(made, request.data, 0700));
  if (chmod(request.data.c_str(), 0700) != 0) return fail(ErrorKind::denied, format("cannot make {}: {}", request.data, std::strerror(errno)));
  if (request.self_signed) KM_CHECK(make_certificate(made, request));
  KM_CHECK(make_signing_keys(made, request));
  KM_CHECK(give_data(request.data, {}));
  KM_CHECK(write_new_file(made, request.config, text, 0644));
  made.keep();
  return {};
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
