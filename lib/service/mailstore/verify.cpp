// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/mailstore/store_impl.hpp"
namespace keystonemail::service {
StoreImpl::Answer<VerifyReport> StoreImpl::verify(VerifyOptions, Context) { co_return fail(ErrorKind::internal, "not yet"); }
StoreImpl::Answer<RepairReport> StoreImpl::repair(std::function<void(const VerifyProgress&)>, Context) { co_return fail(ErrorKind::internal, "not yet"); }
}
