// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// BoringSSL's memory BIOs keep what they have grown to; this one holds nothing of its own.
#include <algorithm>
#include <cstring>
#include <new>

#include "tls/state.hpp"

namespace keystonemail::tls {
namespace {

Channel::State& state_of(BIO* bio) noexcept { return *static_cast<Channel::State*>(BIO_get_data(bio)); }

int read_input(BIO* bio, char* out, int size) {
  auto& input = state_of(bio).input;
  BIO_clear_retry_flags(bio);
  if (input.empty()) {
    BIO_set_retry_read(bio);
    return -1;
  }
  const auto taken = std::min(input.size(), static_cast<std::size_t>(std::max(size, 0)));
  std::memcpy(out, input.data(), taken);
  input.remove_prefix(taken);
  return static_cast<int>(taken);
}

int write_output(BIO* bio, const char* data, int size) {
  BIO_clear_retry_flags(bio);
  if (size > 0) state_of(bio).output.append(data, static_cast<std::size_t>(size));
  return size;
}

long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

}  // namespace

bssl::UniquePtr<BIO_METHOD> make_bio_method() {
  bssl::UniquePtr<BIO_METHOD> method(BIO_meth_new(0, "channel"));
  if (!method || !BIO_meth_set_read(method.get(), read_input) || !BIO_meth_set_write(method.get(), write_output) ||
      !BIO_meth_set_ctrl(method.get(), control)) {
    throw std::bad_alloc();
  }
  return method;
}

bssl::UniquePtr<BIO> make_bio(const BIO_METHOD* method, Channel::State* state) {
  bssl::UniquePtr<BIO> bio(BIO_new(method));
  if (!bio) throw std::bad_alloc();
  BIO_set_data(bio.get(), state);
  BIO_set_init(bio.get(), 1);
  return bio;
}

}  // namespace keystonemail::tls
