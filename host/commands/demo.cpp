// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>

#include "commands/commands.hpp"
#include "demo/instructions.hpp"
#include "demo/self_test.hpp"
#include "demo/stage.hpp"

namespace keystonemail::host {

namespace {

constexpr std::chrono::milliseconds grace{2'000};

std::string data_of(const DemoRequest& request) {
  if (request.ephemeral) return {};
  std::error_code error;
  const auto path = std::filesystem::absolute(request.data, error).lexically_normal().string();
  return error ? request.data : path;
}

}  // namespace

int run_demo(const DemoRequest& request) {
  umask(0077);
  libuv::UvLoop loop;
  demo::Printer printer;
  printer.title("Keystone Mail shows itself");
  demo::Stage stage(data_of(request), loop, printer);
  if (const auto built = stage.build(); !built) {
    printer.failed("setting up", built.error());
    return 1;
  }
  const bool good = loop.run_until(demo::self_test(stage.scene(), loop, stage.random(), printer, Context{&loop}));
  if (request.check || !good) {
    printer.line(good ? "\nAll is well." : "\nThe self-test failed.");
    loop.drain(grace);
    loop.run();
    return good ? 0 : 1;
  }
  demo::print_instructions(stage.scene(), stage.config_path(), printer);
  printer.line("\nIt stays up until Ctrl-C.");
  for (const int signal : {SIGINT, SIGTERM}) loop.on_signal(signal, [&loop] { loop.drain(grace); });
  loop.run();
  printer.line(request.ephemeral ? "\nStopped." : "\nStopped. What was delivered is kept.");
  return 0;
}

}  // namespace keystonemail::host
