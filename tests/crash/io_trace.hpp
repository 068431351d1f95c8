// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What the preloaded shim (io_shim.cpp) records of a program's file work, in the order it happened.
//
// A trace is a run of records, each a TraceHeader and `octets` octets of payload:
//   open      payload: the path below the traced folder. `file` is the number it has from here on
//   write     payload: what was written at `offset`. `durable` when the descriptor is O_DSYNC: then it is on disk on return
//   truncate  to `offset`
//   sync      of `file`: all earlier writes to it are on disk
//   sync_dir  payload: the folder's path ("." is the traced folder itself): all earlier entries of it are on disk
//   rename    payload: "from\0to"
//   unlink    payload: path
//   mark      payload: what the program said to its ledger; not file work
#pragma once

#include <cstdint>

namespace keystonemail::test {

enum class TraceOp : std::uint32_t { open, write, truncate, sync, sync_dir, rename, unlink, mark };

struct TraceHeader {
  TraceOp op;
  std::uint32_t file;
  std::uint64_t offset;
  std::uint32_t octets;
  std::uint32_t durable;
};

}  // namespace keystonemail::test
