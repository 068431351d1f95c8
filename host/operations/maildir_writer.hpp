// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "keystonemail/base/time.hpp"
#include "operations/mail_file.hpp"

namespace keystonemail::host {

// One folder of a Maildir, written as its readers expect: a file comes to lie in "cur" once it is whole.
//
// Threads: one. Errors: those of files.
class MaildirWriter {
 public:
  [[nodiscard]] static Result<MaildirWriter> open(std::filesystem::path folder);

  // One message after the other: begin, write, and then commit or give_up. `unique` is the begin of its file's name.
  [[nodiscard]] Result<void> begin(std::string_view unique);
  void write(std::string_view piece) { std::fwrite(piece.data(), 1, piece.size(), file_.get()); }
  [[nodiscard]] Result<void> commit(std::string_view name, WallTime received);
  void give_up();
  // What was committed is on storage then.
  [[nodiscard]] Result<void> sync();

  [[nodiscard]] const std::filesystem::path& folder() const noexcept { return folder_; }

 private:
  explicit MaildirWriter(std::filesystem::path folder) : folder_(std::move(folder)) {}
  std::filesystem::path folder_, temporary_;
  File file_;
};

}  // namespace keystonemail::host
