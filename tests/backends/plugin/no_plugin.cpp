// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A shared object that is no plugin.
extern "C" int unrelated(void) { return 1; }
