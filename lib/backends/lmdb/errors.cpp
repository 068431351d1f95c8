// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "backends/lmdb/errors.hpp"

#include <lmdb.h>

#include <cerrno>

#include "base/format.hpp"

namespace keystonemail::lmdb {
namespace {

ErrorKind kind_of(int code) noexcept {
  switch (code) {
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_CURSOR_FULL:
    case MDB_PAGE_FULL:
      return ErrorKind::corrupt;
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE:
      return ErrorKind::invalid;
    case MDB_TXN_FULL:
      return ErrorKind::too_large;
    case MDB_BAD_TXN:
    case MDB_BAD_RSLOT:
    case MDB_BAD_DBI:
    case MDB_BAD_VALSIZE:
    case EINVAL:
      return ErrorKind::internal;
    default:
      return ErrorKind::unavailable;  // MDB_MAP_FULL, MDB_READERS_FULL, MDB_PANIC, ENOSPC, EIO, ENOMEM, EACCES ...
  }
}

std::string_view text_of(ErrorKind kind, int code) noexcept {
  if (kind == ErrorKind::corrupt) return "stored data is damaged";
  return is_no_room(code) ? "storage is full" : "storage is not available";
}

}  // namespace

Error to_error(int code, std::string_view what) {
  const ErrorKind kind = kind_of(code);
  return Error(kind, std::string(text_of(kind, code)), format("{}: {}", what, mdb_strerror(code)));
}

bool is_no_room(int code) noexcept { return code == MDB_MAP_FULL || code == ENOSPC || code == EDQUOT; }

}  // namespace keystonemail::lmdb
