// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#pragma once

#include <chrono>
#include <string_view>

#include "keystonemail/base/result.hpp"
#include "keystonemail/base/time.hpp"

namespace keystonemail::host::demo {

// Prints the steps of the demo, each with the time it took. Colour on a terminal only, and not when NO_COLOR is set.
class Printer {
 public:
  Printer();
  void title(std::string_view text);
  // The step that began when the one before it ended is done.
  void done(std::string_view text);
  void failed(std::string_view text, const Error& error);
  void line(std::string_view text = {});
  void setting(std::string_view name, std::string_view value);

 private:
  void step(std::string_view mark, std::string_view colour, std::string_view text);

  SystemClock clock_;
  Instant since_;
  bool coloured_;
};

}  // namespace keystonemail::host::demo
