// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "sim/dialog.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "keystonemail/base/text.hpp"
#include "sim/ledger.hpp"

namespace keystonemail::sim {
namespace {

std::string field_of(std::string_view text, std::string_view name) {
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find("\r\n", at), text.size());
    const std::string_view line = text.substr(at, end - at);
    if (line.empty()) break;
    if (istarts_with(line, name)) return std::string(line.substr(name.size()));
    at = end + 2;
  }
  return {};
}

// What stands between angle brackets.
std::string path_of(std::string_view line) {
  const auto begin = line.find('<'), end = line.find('>');
  return begin == std::string_view::npos || end == std::string_view::npos ? std::string() : std::string(line.substr(begin + 1, end - begin - 1));
}

// Takes a line from the front of `octets`, beginning in `line`; false when it is not whole yet.
bool take_line(std::string& line, std::string_view& octets) {
  while (!octets.empty()) {
    line += octets.front();
    octets.remove_prefix(1);
    if (!line.ends_with("\r\n")) continue;
    line.resize(line.size() - 2);
    return true;
  }
  return false;
}

// The code of the last line of a reply; 0: a line that others follow.
int final_code(std::string_view line) {
  int code = 0;
  std::from_chars(line.data(), line.data() + std::min<std::size_t>(line.size(), 3), code);
  return line.size() > 3 && line[3] == '-' ? 0 : code;
}

}  // namespace

std::string key_of(std::string_view text) {
  const std::string token = field_of(text, "X-Token: ");
  return token.empty() ? field_of(text, "Message-ID: ") : token;
}

void Dialog::server_read(std::string_view octets) {
  while (!octets.empty() && !is_blind()) {
    if (chunk_) {
      const std::size_t taken = std::min(chunk_left_, octets.size());
      text_ += octets.substr(0, taken);
      octets.remove_prefix(taken);
      chunk_left_ -= taken;
      if (chunk_left_ == 0) command("(chunk)");
      continue;
    }
    if (!take_line(line_, octets)) return;
    std::string line = std::exchange(line_, {});
    if (!in_data()) {
      command(std::move(line));
    } else if (line == ".") {
      data_ = 0;
      end_message("(dot)");
    } else {
      text_ += line.starts_with('.') ? line.substr(1) : line;
      text_ += "\r\n";
    }
  }
}

void Dialog::end_message(const char* line) {
  // LMTP sends no chunks here, so that all replies to RCPT are known by now.
  const auto replies = lmtp_ ? std::ranges::count_if(open_.recipients, [&](std::size_t place) { return taken(place); }) : 1;
  for (std::ptrdiff_t i = 0; i < replies; ++i) {
    commands_.push_back({line});
    open_.ends.push_back(commands_.size() - 1);
  }
  open_.key = key_of(text_);
  messages_.push_back(std::exchange(open_, {}));
  text_.clear();
}

// Each command is noted when all of it has been read: a chunk with its octets.
void Dialog::command(std::string line) {
  data_ = 0;
  if (chunk_ && chunk_left_ == 0) {
    chunk_ = false;
    if (last_chunk_) return end_message("(last chunk)");
  } else if (istarts_with(line, "BDAT ")) {
    std::from_chars(line.data() + 5, line.data() + line.size(), chunk_left_);
    last_chunk_ = to_lower(line).ends_with(" last");
    chunk_ = true;
    if (chunk_left_ == 0) command("(chunk)");
    return;
  }
  commands_.push_back({line});
  const std::size_t place = commands_.size() - 1;
  if (istarts_with(line, "MAIL FROM:") || istarts_with(line, "RSET") || istarts_with(line, "EHLO") || istarts_with(line, "LHLO")) {
    open_ = {.mail = place, .recipients = {}, .ends = {}, .key = {}};
    text_.clear();
  }
  if (istarts_with(line, "RCPT TO:")) open_.recipients.push_back(place);
  if (istarts_with(line, "DATA")) data_ = place;
  if (istarts_with(line, "LHLO")) lmtp_ = true;
  if (iequals(line, "STARTTLS")) starttls_ = place;
}

void Dialog::server_wrote(std::string_view octets) {
  if (is_blind()) return;
  while (take_line(reply_line_, octets)) {
    const int code = final_code(std::exchange(reply_line_, {}));
    if (code != 0) replies_.push_back(code);
  }
}

void Dialog::client_read(std::string_view octets) {
  while (take_line(heard_line_, octets)) {
    if (final_code(std::exchange(heard_line_, {})) != 0) ++heard_;
  }
}

std::vector<Transfer> Dialog::transfers() const {
  std::vector<Transfer> all;
  for (const Message& message : messages_) {
    std::vector<std::string> recipients;
    for (const std::size_t place : message.recipients) {
      if (taken(place)) recipients.push_back(path_of(commands_[place].line));
    }
    if (!taken(message.mail) || recipients.empty()) continue;
    for (std::size_t i = 0; i < message.ends.size(); ++i) {
      const std::size_t end = message.ends[i];
      all.push_back({.sender = path_of(commands_[message.mail].line), .recipients = lmtp_ ? std::vector{recipients.at(i)} : recipients,
                     .key = message.key, .reply = reply_to(end), .reply_read = heard_ > end});
    }
  }
  return all;
}

}  // namespace keystonemail::sim
