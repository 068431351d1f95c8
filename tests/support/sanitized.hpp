// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Whether this build is sanitized: long loops then take a part of their steps, never none.
#pragma once

namespace keystonemail::test {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif
#else
inline constexpr bool sanitized = false;
#endif

}  // namespace keystonemail::test
