// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#pragma once

#include <memory>
#include <string>

#include "keystonemail/backends/libuv/uv_loop.hpp"
#include "support/pipe_stream.hpp"

namespace keystonemail::test {

inline const Endpoint any_port = *Endpoint::parse("127.0.0.1:0");

// Sends back all that comes until the peer ends.
inline Task<void> echo(std::unique_ptr<transport::ByteStream> stream, Context context) {
  for (;;) {
    const auto view = co_await stream->read(context);
    if (!view || view->empty()) break;
    if (!co_await transport::write_all(*stream, *view, context)) break;
    stream->consume(view->size());
  }
  co_await stream->close(context);
}

inline std::string pattern(std::size_t octets) {
  std::string text(octets, '\0');
  for (std::size_t i = 0; i < octets; ++i) text[i] = static_cast<char>('a' + (i * 7 + i / 1000) % 26);
  return text;
}

// Ends the sessions of a loop, so that it may be destroyed.
inline void finish(libuv::UvLoop& loop) {
  loop.drain(std::chrono::seconds(5));
  loop.run();
}

}  // namespace keystonemail::test
