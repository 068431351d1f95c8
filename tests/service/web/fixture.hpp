// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// A web in virtual time: a zone for the DNS, pipes for the network, certificates of an authority of its own.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "keystonemail/backends/zone/resolver.hpp"
#include "keystonemail/service/web/https_fetcher.hpp"
#include "keystonemail/service/web/service.hpp"
#include "keystonemail/transport/pipe.hpp"
#include "keystonemail/transport/tls_stream.hpp"
#include "support/pipe_stream.hpp"
#include "support/sim_executor.hpp"
#include "support/text_log.hpp"
#include "tls/pair.hpp"

namespace keystonemail::web::testing {

using namespace std::chrono_literals;

struct WebFixture {
  test::SimExecutor loop{};
  transport::PipeNetwork network;
  test::TextLog log;
  SeededRandom random{1};
  std::vector<std::unique_ptr<transport::Listener>> listeners;
  std::vector<Endpoint> tried;
  tls::test::Authority authority{loop.wall_now()};

  Context context() { return Context{&loop}; }
  static Endpoint at(std::string_view text) { return Endpoint::parse(text).value(); }

  void listen(std::string_view endpoint, transport::Handler handler) {
    listeners.push_back(network.listen(at(endpoint), std::move(handler), context()).value());
  }
  std::shared_ptr<const tls::ServerContext> certified(std::vector<std::string> names, WallTime::duration lifetime = 24h) {
    tls::ServerOptions options;
    options.certificates = {authority.certify(std::move(names), loop.wall_now() + lifetime)};
    options.application_protocols = {"http/1.1"};
    return tls::ServerContext::create(options).value();
  }
  ~WebFixture() { finish(); }
  // Lets all sessions come to their end.
  void finish() {
    listeners.clear();
    loop.advance(1h);
  }
};

}  // namespace keystonemail::web::testing
