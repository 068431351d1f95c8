// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#pragma once

#include "demo/demo.hpp"
#include "demo/printer.hpp"

namespace keystonemail::host::demo {

// Prints what a mail client has to be told, and command lines that work as they stand.
void print_instructions(const Scene& scene, const std::string& config_path, Printer& printer);

}  // namespace keystonemail::host::demo
