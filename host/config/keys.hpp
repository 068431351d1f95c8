// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The table of configuration keys: it reads them, refuses others, and is what `help config` prints.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/config.hpp"

namespace keystonemail::host {

// A value of the file, free of the library that parsed it.
using Value = std::variant<std::monostate, bool, std::int64_t, std::string, std::vector<std::string>,
                           std::map<std::string, std::string>>;

struct Draft {
  Config& config;
  ListenerConfig* listener = nullptr;    // of the [[listener]] the key is in
  MilterConfig* milter = nullptr;        // or of the [[milter]]
  RouteConfig* route = nullptr;          // or of the [[route]]
  policies::DnsList* list = nullptr;     // or of the [[policy.list]]
  WebhookConfig* webhook = nullptr;      // or of the [[webhook]]
  CertificateConfig* certificate = nullptr;  // or of the [[certificate]]
};

struct Key {
  std::string_view section;  // "" for the top, "listener" for each [[listener]], "policy.rates" for [policy.rates]
  std::string_view name;
  std::string_view type;
  std::string_view usual;    // the default, as text
  std::string_view meaning;
  // What is wrong with the value, if anything.
  std::optional<std::string> (*set)(Draft draft, const Value& value);
};

[[nodiscard]] std::span<const Key> config_keys() noexcept;
// Whether there can be any number of this section, as in [[listener]].
[[nodiscard]] bool is_repeated(std::string_view section) noexcept;
[[nodiscard]] const Key* find_key(std::string_view section, std::string_view name) noexcept;
// The one of `known` that `typed` was probably meant to be; empty when none is near.
[[nodiscard]] std::string_view suggestion(std::string_view typed, std::span<const std::string_view> known);
// The text of `keystone-mail help config`.
[[nodiscard]] std::string describe_keys();

}  // namespace keystonemail::host
