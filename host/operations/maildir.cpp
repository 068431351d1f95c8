// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/format.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/modified_utf7.hpp"
#include "operations/mail_file.hpp"

namespace keystonemail::host {

namespace {

// Dots part the levels of a folder's name, so those within one are escaped.
std::string escape_level(std::string_view level) {
  std::string out;
  for (const char c : codec::encode_modified_utf7(level).value_or(std::string(level))) {
    if (c == '.') out += "%2e";
    else if (c == '%') out += "%25";
    else out += c;
  }
  return out;
}

std::string unescape_level(std::string_view level) {
  std::string out;
  for (std::size_t i = 0; i < level.size(); ++i) {
    const std::string_view rest = level.substr(i, 3);
    if (iequals(rest, "%2e")) out += '.', i += 2;
    else if (rest == "%25") out += '%', i += 2;
    else out += level[i];
  }
  return codec::decode_modified_utf7(out).value_or(out);
}

std::string with_crlf(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 32);
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    if (line.ends_with('\r') && end < text.size()) line.remove_suffix(1);
    out.append(line);
    if (end < text.size()) out.append("\r\n");
    at = end + 1;
  }
  return out;
}

}  // namespace

std::string maildir_folder(std::string_view mailbox) {
  if (iequals(mailbox, "INBOX")) return {};
  std::string out;
  for (std::size_t at = 0; at <= mailbox.size();) {
    const auto end = std::min(mailbox.find('/', at), mailbox.size());
    out += "." + escape_level(mailbox.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

std::string mailbox_of_folder(std::string_view folder) {
  if (folder.empty()) return "INBOX";
  std::string out;
  for (std::size_t at = 1; at <= folder.size();) {
    const auto end = std::min(folder.find('.', at), folder.size());
    out += (out.empty() ? "" : "/") + unescape_level(folder.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

std::string maildir_info(const Marks& marks, std::vector<std::string>& keywords) {
  std::string flags;
  if (marks.draft) flags += 'D';
  if (marks.flagged) flags += 'F';
  if (marks.answered) flags += 'R';
  if (marks.seen) flags += 'S';
  if (marks.deleted) flags += 'T';
  std::string letters;
  for (const std::string& keyword : marks.keywords) {
    auto at = std::ranges::find(keywords, keyword);
    if (at == keywords.end() && keywords.size() < 26) at = keywords.insert(keywords.end(), keyword);
    if (at != keywords.end()) letters += static_cast<char>('a' + (at - keywords.begin()));
  }
  std::ranges::sort(letters);
  return ":2," + flags + letters;
}

Marks parse_maildir_info(std::string_view file_name, const std::vector<std::string>& keywords) {
  Marks marks;
  const auto at = file_name.rfind(":2,");
  if (at == std::string_view::npos) return marks;
  for (const char c : file_name.substr(at + 3)) {
    marks.draft |= c == 'D';
    marks.flagged |= c == 'F';
    marks.answered |= c == 'R';
    marks.seen |= c == 'S';
    marks.deleted |= c == 'T';
    const auto place = static_cast<std::size_t>(c - 'a');
    if (c >= 'a' && c <= 'z' && place < keywords.size() && !keywords[place].empty()) marks.keywords.push_back(keywords[place]);
  }
  return marks;
}

Result<FileMessage> read_maildir_file(File file, const std::string& path, std::uint64_t octets_max) {
  FileMessage message;
  message.name = path;
  struct stat status {};
  if (::fstat(::fileno(file.get()), &status) != 0)
    return fail(ErrorKind::unavailable, path + ": " + std::strerror(errno));
  using namespace std::chrono;
  message.marks.received = WallTime(duration_cast<milliseconds>(seconds(status.st_mtim.tv_sec) + nanoseconds(status.st_mtim.tv_nsec)));
  const auto octets = static_cast<std::uint64_t>(status.st_size);
  message.too_large = octets > octets_max;
  if (message.too_large) return message;
  message.text.resize(octets);
  if (std::fread(message.text.data(), 1, octets, file.get()) != octets) return fail(ErrorKind::unavailable, path + ": cannot be read whole");
  const bool own = path.find(format(".{},", maildir_host)) != std::string::npos;
  if (!own) message.text = with_crlf(message.text);
  return message;
}

}  // namespace keystonemail::host
