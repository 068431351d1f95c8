// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What the targets of both HTTP engines have in common: octets go in whole and in pieces, and what comes of them is the same.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "keystonemail/base/time.hpp"

namespace keystonemail::http {

inline void check(bool claim) {
  if (!claim) __builtin_trap();
}

// `Peer` has a session, step(), which is false when it wants input or is over, write(), end(), closed and trace.
template <class Peer>
void drain(Peer& peer) {
  while (peer.step()) peer.write();
  peer.write();
}

template <class Peer>
std::string drive(Peer& peer, std::string_view octets, std::size_t piece) {
  drain(peer);
  while (!octets.empty() && !peer.closed) {
    const std::string input(octets.substr(0, piece));  // a copy, so that reading past it is seen
    const std::size_t taken = peer.session.receive(input, Instant());
    check(taken > 0 && taken <= input.size());
    octets.remove_prefix(taken);
    drain(peer);
  }
  peer.end();
  drain(peer);
  check(peer.closed && peer.session.pending_output().empty() && !peer.session.deadline());
  return peer.trace;
}

// The first octet is `how`; run(octets, how, piece) drives a peer of its own.
template <class Run>
int fuzz(const std::uint8_t* data, std::size_t size, Run run) {
  if (size < 1 || size > 8'192) return 0;
  const unsigned how = data[0];
  const std::string octets(data + 1, data + size);
  const std::string whole = run(octets, how, SIZE_MAX);
  check(run(octets, how, 1) == whole);
  check(run(octets, how, 1 + how % 23) == whole);
  return 0;
}

}  // namespace keystonemail::http
