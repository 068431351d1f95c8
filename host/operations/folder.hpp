// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Directories of people who may change them while somebody mightier reads them: nothing in one leads out of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "keystonemail/base/result.hpp"
#include "operations/mail_file.hpp"

namespace keystonemail::host {

enum class FileKind : std::uint8_t { file, directory, link, other };

// A directory that is held open. What is in it is reached through it, never by a path, so that nobody can put a link in
// place of what was looked at.
//
// Ownership: of a descriptor. Threads: one. Errors: not_found, denied (a symbolic link, or no such kind of file), unavailable.
class Folder {
 public:
  struct Item {
    std::string name;
    FileKind kind;
  };
  // By a path that an administrator gave: links in it are followed.
  [[nodiscard]] static Result<Folder> open(const std::string& path);
  Folder(Folder&& other) noexcept : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}
  Folder& operator=(Folder&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~Folder();

  // `name` may be several, divided by "/", or empty: this one once more.
  [[nodiscard]] Result<Folder> folder(const std::string& name) const;
  // A regular file of one name, for reading.
  [[nodiscard]] Result<File> file(const std::string& name) const;
  // All but "." and "..", by name.
  [[nodiscard]] Result<std::vector<Item>> items() const;
  // Nothing when it is not there.
  [[nodiscard]] std::optional<FileKind> kind(const std::string& name) const;
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  Folder(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  [[nodiscard]] Result<int> open_at(const std::string& name, int flags) const;

  std::string path_;   // for people
  int descriptor_;
};

}  // namespace keystonemail::host
