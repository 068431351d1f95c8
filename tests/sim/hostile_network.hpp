// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// HostileNetwork: what lies between servers. It refuses connections or lets them wait, cuts them at any octet (a reset, a
// half-close, silence), is late, and loses replies on purpose; and it knows what it did, so that a message that came twice
// can be told from one that the network doubled.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "keystonemail/base/random.hpp"
#include "keystonemail/transport/listener.hpp"
#include "sim/dialog.hpp"
#include "sim/trace.hpp"
#include "support/sim_executor.hpp"

namespace keystonemail::sim {

using SiteNumber = std::size_t;
inline constexpr SiteNumber outside = SIZE_MAX;  // people with mail programs, and strangers

// How often what happens; 0: never.
struct NetworkWeather {
  std::uint64_t refuse_one_in = 0;      // a connection is refused
  std::uint64_t ignore_one_in = 0;      // nobody answers it
  std::uint64_t cut_one_in = 0;         // it is cut at some octet
  std::uint64_t lose_reply_one_in = 0;  // after the end of a message nothing comes back
  std::chrono::milliseconds delay_max{0};
};

// A message that went from one place to another, and whether something had befallen the connection.
struct Passage {
  SiteNumber from = outside, to = outside;
  Transfer transfer;
  bool disturbed = false;
  bool hidden = false;      // it was encrypted: the server took it, and whether its reply was read nobody saw
  std::uint16_t port = 0;   // that it came to
};

// Threads: one executor. Ownership: borrows all; outlives the streams.
class HostileNetwork {
 public:
  HostileNetwork(test::SimExecutor& executor, Trace& trace, std::uint64_t seed) : executor_(executor), trace_(trace), random_(seed) {}

  NetworkWeather weather;
  std::uint64_t struck = 0;             // faults that came about

  using Accept = std::function<void(std::unique_ptr<transport::ByteStream>)>;
  void listen(SiteNumber site, Endpoint at, Accept accept) { listeners_[at] = {site, std::move(accept)}; }
  // Nobody listens there any more; what is connected goes on.
  void close(SiteNumber site) { std::erase_if(listeners_, [&](const auto& item) { return item.second.site == site; }); }
  // The site goes down in good order: its connections may end at any point.
  void excuse(SiteNumber site);
  // All its connections break.
  void sever(SiteNumber site);
  // The server with that peer has taken a message, and is about to say so. For encrypted connections: of others the network knows.
  void taken(std::string_view peer, Transfer transfer);
  // What is sent there is never answered.
  void silence(const IpAddress& address) { silent_.insert(address); }

  [[nodiscard]] Task<Result<std::unique_ptr<transport::ByteStream>>> connect(SiteNumber from, Endpoint to, Context context);
  [[nodiscard]] std::vector<Passage> passages() const;

  struct Link;

 private:
  struct Listener {
    SiteNumber site;
    Accept accept;
  };
  [[nodiscard]] bool strikes(std::uint64_t one_in) { return one_in != 0 && random_.below(one_in) == 0; }

  test::SimExecutor& executor_;
  Trace& trace_;
  SeededRandom random_;
  std::map<Endpoint, Listener> listeners_;
  std::set<IpAddress> silent_;
  std::vector<std::shared_ptr<Link>> links_;  // every one there ever was
  std::uint16_t next_port_ = 1024;
};

// A site's way out.
class SiteConnector final : public transport::Connector {
 public:
  SiteConnector(HostileNetwork& network, SiteNumber site) : network_(network), site_(site) {}
  Task<Result<std::unique_ptr<transport::ByteStream>>> connect(Endpoint to, Context context) override {
    return network_.connect(site_, to, std::move(context));
  }

 private:
  HostileNetwork& network_;
  SiteNumber site_;
};

}  // namespace keystonemail::sim
