// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "config/config.hpp"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "base/format.hpp"
#include "base/try.hpp"

namespace keystonemail::host {

namespace {

constexpr std::size_t file_octets_max = 1 << 20;

}  // namespace

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    const int error = errno;
    return fail(error == ENOENT ? ErrorKind::not_found : ErrorKind::denied, format("cannot read {}: {}", path, std::strerror(error)));
  }
  std::string text(file_octets_max + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (file.bad()) return fail(ErrorKind::unavailable, format("cannot read {}", path));
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > file_octets_max) return fail(ErrorKind::too_large, format("{} is larger than 1 MiB", path));
  return text;
}

Result<std::string> read_secret(const SecretSource& source) {
  switch (source.kind) {
    case SecretSource::Kind::none: return std::string();
    case SecretSource::Kind::literal: return source.name;
    case SecretSource::Kind::file: return read_file(source.name);
    case SecretSource::Kind::environment: break;
  }
  const char* value = source.name.empty() ? nullptr : std::getenv(source.name.c_str());
  if (!value) return fail(ErrorKind::not_found, format("the environment has no {}", source.name));
  return std::string(value);
}

Result<ConfigReading> read_config_file(const std::string& path) {
  auto text = read_file(path);
  if (!text && text.error().kind() == ErrorKind::not_found)
    return fail(ErrorKind::not_found, format("there is no {}: make one with keystone-mail init, or name yours with --config", path));
  if (!text) return std::unexpected(std::move(text).error());
  return read_config(*text);
}

std::vector<CertificateConfig> all_certificates(const Config& config) {
  std::vector<CertificateConfig> all;
  if (!config.certificate.empty()) all.push_back({config.certificate, config.private_key});
  all.insert(all.end(), config.certificates.begin(), config.certificates.end());
  return all;
}

std::string describe(const std::vector<ConfigProblem>& problems, std::string_view path) {
  std::string out;
  for (const ConfigProblem& problem : problems) {
    if (problem.line > 0) {
      format_to(out, "{}:{}: {}\n", path, problem.line, problem.text);
    } else {
      format_to(out, "{}: {}\n", path, problem.text);
    }
  }
  return out;
}

}  // namespace keystonemail::host
