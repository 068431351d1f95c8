// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "server/srs_key.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>

#include "base/try.hpp"
#include "config/config.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/mailauth/srs/rewriter.hpp"

namespace keystonemail::host {
namespace {

constexpr std::size_t secret_octets = 32;

Result<void> make(const std::string& path, Random& random) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0 && errno == EEXIST) return {};
  if (fd < 0) return fail(ErrorKind::unavailable, "cannot write " + path);
  const std::string line = random.hex(secret_octets) + "\n";
  const bool written = ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size()) && ::fsync(fd) == 0;
  ::close(fd);
  if (written) return {};
  ::unlink(path.c_str());
  return fail(ErrorKind::unavailable, "cannot write " + path);
}

}  // namespace

Result<std::vector<std::string>> srs_secrets(const std::string& directory, Random& random) {
  const std::string path = directory + "/srs.key";
  KM_CHECK(make(path, random));
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return fail(ErrorKind::unavailable, "cannot read " + path);
  if ((status.st_mode & 077) != 0) return fail(ErrorKind::denied, path + " can be read by others: chmod 600 " + path);
  KM_TRY(const std::string text, read_file(path));
  std::vector<std::string> secrets;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line) && secrets.size() < mailauth::srs::limits::secrets_max;)
    if (const auto secret = trim(line); secret.size() >= mailauth::srs::limits::secret_octets_min) secrets.emplace_back(secret);
  if (secrets.empty()) return fail(ErrorKind::corrupt, path + " holds no secret");
  return secrets;
}

}  // namespace keystonemail::host
