// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Mail in files: mbox (RFC 4155, with the quoting called mboxrd) and Maildir with folders named .Parent.Child.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/base/result.hpp"
#include "keystonemail/base/time.hpp"

namespace keystonemail::host {

// What is known of a message beside its octets.
struct Marks {
  bool seen = false, answered = false, flagged = false, draft = false, deleted = false;
  std::vector<std::string> keywords;
  WallTime received{};
};

struct FileMessage {
  std::string name;              // for people: file and place
  std::string text;              // lines end in CRLF; cut short when too_large
  bool too_large = false;
  Marks marks;
};

struct FileCloser {
  void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, FileCloser>;

// Lines end in LF in the file, whether they ended in CRLF or LF before, and the last one always does; a line of any
// number of '>' and "From " gets one '>' more. Status, X-Status and X-Keywords come first in each header.
//
// Memory: a line, 64 KiB at most.
class MboxWriter {
 public:
  explicit MboxWriter(std::FILE* file) : file_(file) {}
  void begin(const Marks& marks);
  void write(std::string_view piece);
  void end();

 private:
  void put_line(std::string_view line, bool whole);

  std::FILE* file_;              // borrowed; its error indicator tells whether anything failed
  std::string line_;             // begun, of what has been written
  bool at_line_start_ = true;
};

// Memory: one message, `octets_max` at most.
class MboxReader {
 public:
  // `path` is for people.
  MboxReader(std::string path, File file, std::uint64_t octets_max);
  // The next message, or nothing at the end. Errors: invalid (not an mbox), unavailable.
  [[nodiscard]] Result<std::optional<FileMessage>> next();

 private:
  [[nodiscard]] bool read_line();
  void take_line(FileMessage& message);

  std::string path_;
  File file_;
  std::uint64_t octets_max_;
  std::vector<char> buffer_ = std::vector<char>(std::size_t{64} << 10);
  std::size_t begin_ = 0, end_ = 0;
  std::string_view line_;        // in buffer_, line end included
  bool line_begins_ = true;      // line_ is the begin of one, not its continuation
  bool has_line_ = false;
  bool crlf_ = false;
  std::uint64_t number_ = 0;
};

// A mailbox's path as a relative file name without extension, and back.
[[nodiscard]] std::string mbox_file_name(std::string_view mailbox);
[[nodiscard]] std::string mailbox_of_file_name(std::string_view name);

// A mailbox's folder: "" for the inbox, ".Archive.2026", names in modified UTF-7 as elsewhere; and back.
[[nodiscard]] std::string maildir_folder(std::string_view mailbox);
[[nodiscard]] std::string mailbox_of_folder(std::string_view folder);

// The part of a file name from ":2," on. Keywords are letters, by their place in `keywords`, which grows.
[[nodiscard]] std::string maildir_info(const Marks& marks, std::vector<std::string>& keywords);
[[nodiscard]] Marks parse_maildir_info(std::string_view file_name, const std::vector<std::string>& keywords);

// Reads one file of a Maildir; `path` is for people, and for its name. Those of our own are taken octet for octet; elsewhere
// lines may end in LF.
[[nodiscard]] Result<FileMessage> read_maildir_file(File file, const std::string& path, std::uint64_t octets_max);

inline constexpr std::string_view maildir_host = "keystone";   // in the names of files of our own

}  // namespace keystonemail::host
