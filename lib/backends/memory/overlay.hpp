// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Overlay: the changes of one operation, seen over the last committed state.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "backends/memory/versions.hpp"
#include "keystonemail/kv/kv.hpp"

namespace keystonemail::memory {

// Threads: one. REQUIRES: nothing commits while it lives.
class Overlay final : public kv::Transaction {
 public:
  explicit Overlay(Versions& versions) : versions_(versions), at_(versions.pin()), changes_(versions.tables()) {}
  ~Overlay() override { versions_.unpin(at_); }
  Overlay(const Overlay&) = delete;
  Overlay& operator=(const Overlay&) = delete;

  Task<Result<std::optional<std::string_view>>> get(kv::Table table, std::string_view key) override;
  Task<Result<std::vector<kv::Row>>> scan(kv::Table table, kv::Range range) override;
  void put(kv::Table table, std::string_view key, std::string_view value) override;
  void erase(kv::Table table, std::string_view key) override;

  [[nodiscard]] Result<void> failure() const;
  [[nodiscard]] bool empty() const noexcept;
  [[nodiscard]] std::int64_t octets_added() const;
  [[nodiscard]] Changes changes() && noexcept { return std::move(changes_); }

 private:
  void change(kv::Table table, std::string_view key, Value value);
  [[nodiscard]] std::vector<kv::Row> merge(std::size_t table, const kv::Range& range,
                                           const std::vector<kv::Row>& base, bool base_is_whole) const;

  Versions& versions_;
  std::uint64_t at_;
  Changes changes_;
  std::optional<Error> failure_;
};

}  // namespace keystonemail::memory
