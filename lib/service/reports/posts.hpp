// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Posts: TLS reports that others post to us (RFC 8460 §5.4).
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <utility>

#include "keystonemail/service/reports/reporting.hpp"
#include "service/policies/bounded_map.hpp"

namespace keystonemail::reporting {

// How many reports each network may post in an hour.
//
// Threads: not synchronised. Limits: networks_max counters, of which those unused for longest are forgotten.
class PostRates {
 public:
  static constexpr std::size_t networks_max = 16'384;

  explicit PostRates(std::uint32_t per_hour) : per_hour_(per_hour) {}
  // Counts it.
  [[nodiscard]] bool admit(const IpAddress& peer, WallTime now);
  [[nodiscard]] std::size_t size() const noexcept { return counters_.size(); }

 private:
  using Network = std::pair<IpAddress, unsigned>;
  struct Counter {
    WallTime hour{};
    std::uint32_t count = 0;
  };
  const std::uint32_t per_hour_;
  policies::BoundedMap<Network, Counter> counters_;
};

// Threads: any. Ownership: borrows all it is given.
// Limits: Options::posted_octets_max and posts_per_hour_max; octets_held_max of all that come in at once, and read_at_once_max of them
//   being read, so that mail with reports in it is read as well.
class Posts {
 public:
  static constexpr std::size_t octets_held_max = 16U << 20;
  static constexpr std::size_t read_at_once_max = 8;

  Posts(const Options& options, const Services& services, ReportStore& store)
      : options_(options), services_(services), store_(store), rates_(options.posts_per_hour_max) {}

  [[nodiscard]] Task<void> answer(web::Exchange& exchange, Context context);

 private:
  // One that is being taken in: its share of what may be held.
  class Post;
  enum class Reading : std::uint8_t { done, gone, no_room };

  [[nodiscard]] bool admit(const IpAddress& peer, WallTime now);
  [[nodiscard]] Task<Reading> read_body(web::Exchange& exchange, Post& post);
  [[nodiscard]] Task<Result<reports::TlsReport>> read_report(Post& post, Context context);
  [[nodiscard]] Task<Result<bool>> is_ours(const reports::TlsReport& report, Context context);
  void refuse(web::Exchange& exchange, unsigned status, std::string why) const;
  void put_off(web::Exchange& exchange, unsigned status, std::chrono::seconds wait) const;

  const Options& options_;
  const Services& services_;
  ReportStore& store_;
  std::mutex mutex_;  // guards all below
  PostRates rates_;
  std::size_t octets_ = 0, reading_ = 0;
};

}  // namespace keystonemail::reporting
