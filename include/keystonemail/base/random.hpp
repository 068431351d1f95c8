// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Random: where unpredictable bytes come from. Tests and the simulator put a seeded one in its place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace keystonemail {

// Threads: any thread may call fill() unless a subclass says otherwise.
class Random {
 public:
  virtual ~Random() = default;
  // Fills `out`. Never fails: a system without entropy ends the program.
  virtual void fill(std::span<std::byte> out) = 0;

  [[nodiscard]] std::uint64_t next_u64();
  // Uniform in [0, bound). REQUIRES: bound > 0.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound);
  // `octets` random bytes as lower-case hexadecimal: identifiers, tokens.
  [[nodiscard]] std::string hex(std::size_t octets);
};

// getrandom(2): fit for keys.
class SystemRandom final : public Random {
 public:
  void fill(std::span<std::byte> out) override;
};

// A reproducible sequence for tests; not fit for secrets. Threads: not synchronised.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) noexcept : state_(seed) {}
  void fill(std::span<std::byte> out) override;

 private:
  std::uint64_t state_;
};

}  // namespace keystonemail
