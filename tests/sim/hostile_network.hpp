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
#include "sim/keys.hpp"
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
  std::uint64_t strip_one_in = 0;       // between servers: nobody hears that STARTTLS is offered
  std::uint64_t inject_one_in = 0;      // between servers: a reply in the clear rides behind that to STARTTLS (attack A4)
  std::chrono::milliseconds delay_max{0};
};

// A message, or its beginning, that a connection between servers carried, and what kept others from reading it.
struct Sight {
  SiteNumber from = outside, to = outside;
  std::uint16_t port = 0;
  WallTime opened{}, when{};               // the connection; the first octet of the message, or a moment later
  std::optional<Certificate> certificate;  // that the other side showed; none: all went over in the clear
  std::string key;                         // empty: not seen
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
  // The site shows that certificate, on the connection that it used last.
  void shows(SiteNumber site, Certificate certificate);
  // The server with that peer has read the header of a message.
  void seen(std::string_view peer, std::string key);
  // What is sent there is never answered.
  void silence(const IpAddress& address) { silent_.insert(address); }

  [[nodiscard]] Task<Result<std::unique_ptr<transport::ByteStream>>> connect(SiteNumber from, Endpoint to, Context context);
  [[nodiscard]] std::vector<Passage> passages() const;
  // Of messages between servers, whole or not.
  [[nodiscard]] std::vector<Sight> sights() const;

  struct Link;
  void touched(Link& link) noexcept { current_ = &link; }

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
  [[nodiscard]] Link& link_of(std::string_view peer);

  std::vector<std::shared_ptr<Link>> links_;  // every one there ever was
  Link* current_ = nullptr;                   // whose server's end was used last
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
