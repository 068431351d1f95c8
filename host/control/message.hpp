// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What passes through the control socket: one request and one reply, each a length of four octets, most significant
// first, and so many octets of JSON.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "commands/commands.hpp"
#include "keystonemail/base/result.hpp"
#include "keystonemail/transport/byte_stream.hpp"
#include "operations/progress.hpp"

namespace keystonemail::host::control {

namespace limits {
inline constexpr std::size_t request_octets_max = 1u << 20;
inline constexpr std::size_t reply_octets_max = 256u << 20;
inline constexpr std::size_t arguments_max = 2'000;
}  // namespace limits

[[nodiscard]] std::string encode(const AdminRequest& request);
[[nodiscard]] std::string encode(const AdminReply& reply);
// What a server says while it is at it, any number of times before the reply. Without a label: that it is alive.
[[nodiscard]] std::string encode(const Progress::Step& step);
// Nothing when the text is something else.
[[nodiscard]] std::optional<Progress::Step> decode_step(std::string_view text);
// Errors: invalid.
[[nodiscard]] Result<AdminRequest> decode_request(std::string_view text);
[[nodiscard]] Result<AdminReply> decode_reply(std::string_view text);

// Errors: those of the stream; too_large; invalid (the stream ended within a frame).
[[nodiscard]] Task<Result<std::string>> read_frame(transport::ByteStream& stream, std::size_t octets_max, Context context);
[[nodiscard]] Task<Result<void>> write_frame(transport::ByteStream& stream, std::string text, Context context);

}  // namespace keystonemail::host::control
