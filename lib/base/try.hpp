// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// KM_TRY: propagation of failure in one visible word. Private to the library; never in a public header.
//
//   KM_TRY(auto path, parse_path(rest));      // plain function: returns the error on failure
//   KM_CO_TRY(auto rows, co_await scan(...)); // coroutine: co_returns it
//   KM_CHECK(store(x));  KM_CO_CHECK(co_await store(x));   // the same for Result<void>
#pragma once

#include <expected>
#include <utility>

#define KM_CONCATENATE_INNER(a, b) a##b
#define KM_CONCATENATE(a, b) KM_CONCATENATE_INNER(a, b)

#define KM_TRY_WITH(name, return_word, declaration, ...)                    \
  auto name = (__VA_ARGS__);                                                \
  if (!name) return_word std::unexpected(std::move(name).error());          \
  declaration = *std::move(name)

#define KM_TRY(declaration, ...) KM_TRY_WITH(KM_CONCATENATE(km_try_, __LINE__), return, declaration, __VA_ARGS__)
#define KM_CO_TRY(declaration, ...) KM_TRY_WITH(KM_CONCATENATE(km_try_, __LINE__), co_return, declaration, __VA_ARGS__)

#define KM_CHECK(...) \
  if (auto km_check = (__VA_ARGS__); !km_check) return std::unexpected(std::move(km_check).error())
#define KM_CO_CHECK(...) \
  if (auto km_check = (__VA_ARGS__); !km_check) co_return std::unexpected(std::move(km_check).error())
