// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/service/policies/greylist.hpp"

#include <algorithm>
#include <iterator>
#include <mutex>
#include <optional>
#include <utility>

#include "base/format.hpp"
#include "base/record.hpp"
#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "service/policies/kept_map.hpp"
#include "service/policies/stored_time.hpp"
#include "service/policies/stranger.hpp"

namespace keystonemail::policies {
namespace {

using policy::Decision;

constexpr std::uint8_t greylist_row_version = 1;
constexpr char triplet_prefix = 't', network_prefix = 'n';
constexpr unsigned network_bits_v4 = 24, network_bits_v6 = 64;

// A network, a sender and a recipient, as they came together.
struct Triplet {
  WallTime first{}, last{};
  bool passed = false;

  [[nodiscard]] std::string encode() const {
    return RecordWriter().octet(greylist_row_version).number(to_number(first)).number(to_number(last)).octet(passed ? 1 : 0).take();
  }
  [[nodiscard]] static std::optional<Triplet> decode(std::string_view row) {
    RecordReader in(row);
    if (in.octet() != greylist_row_version) return std::nullopt;
    const WallTime first = to_time(in.number()), last = to_time(in.number());
    const bool passed = in.octet() != 0;
    if (!in.ok() || !in.at_end()) return std::nullopt;
    return Triplet{first, last, passed};
  }
};

// A network of which triplets have passed.
struct Known {
  WallTime last{};
  std::uint32_t passes = 0;

  [[nodiscard]] std::string encode() const { return RecordWriter().octet(greylist_row_version).number(to_number(last)).number(passes).take(); }
  [[nodiscard]] static std::optional<Known> decode(std::string_view row) {
    RecordReader in(row);
    if (in.octet() != greylist_row_version) return std::nullopt;
    const WallTime last = to_time(in.number());
    const auto passes = to_count(in.number());
    if (!in.ok() || !in.at_end()) return std::nullopt;
    return Known{last, passes};
  }
};

// "5 minutes", never less than a minute.
std::string words_for(std::chrono::milliseconds time) {
  const auto minutes = std::chrono::ceil<std::chrono::minutes>(time).count();
  return minutes <= 1 ? std::string("a minute") : format("{} minutes", minutes);
}

}  // namespace

struct Greylist::State {
  State(kv::Store& opened, kv::Table rows, GreylistOptions chosen) : store(opened), table(rows), options(std::move(chosen)) {}

  kv::Store& store;
  const kv::Table table;
  mutable std::mutex mutex;
  GreylistOptions options;  // this and the maps guarded by mutex
  KeptMap<Triplet> triplets{triplet_prefix, triplets_max};
  KeptMap<Known> networks{network_prefix, networks_max};

  // RFC 6647 §2.4, §5: the answer to one recipient.
  Decision judge(const IpAddress& peer, std::string_view sender, std::string_view recipient, WallTime now) {
    const unsigned bits = peer.family() == IpAddress::Family::v4 ? network_bits_v4 : network_bits_v6;
    const std::string network = IpNetwork{peer.masked(bits), bits}.to_string();
    const std::string network_key = short_name({network});
    const std::string key = short_name({network, to_lower(sender), to_lower(recipient)});
    const std::lock_guard lock(mutex);
    const Known* known = networks.find(network_key);
    if (known && now - known->last > options.remembered) networks.erase(network_key), known = nullptr;
    if (known && options.network_passes > 0 && known->passes >= options.network_passes) {
      networks.touch(network_key, now);
      return Decision::proceed();
    }
    const Triplet* triplet = triplets.find(key);
    const bool is_old = triplet && now - (triplet->passed ? triplet->last : triplet->first) > (triplet->passed ? options.remembered : options.retry_within);
    if (!triplet || is_old || now < triplet->first) {
      triplets.touch(key, now) = {.first = now, .last = now, .passed = false};
      return later(network, options.delay);
    }
    if (triplet->passed) {
      triplets.touch(key, now);
      return Decision::proceed();
    }
    if (const auto waited = now - triplet->first; waited < options.delay) return later(network, options.delay - waited);
    triplets.touch(key, now).passed = true;
    ++networks.touch(network_key, now).passes;
    return Decision::proceed();
  }

  static Decision later(const std::string& network, std::chrono::milliseconds wait) {
    return Decision::defer("Greylisted: please try again in " + words_for(wait), "4.7.1", "first seen from " + network + " with this sender and recipient");
  }
};

// One connection.
class Greylist::Session final : public policy::Inspector {
 public:
  Session(std::shared_ptr<State> state, const policy::Connection& connection) : state_(std::move(state)), peer_(connection.peer.address) {}

  Task<Result<Decision>> judge(policy::Stage stage, const policy::Facts& facts, Context) override {
    if (stage != policy::Stage::rcpt || !is_to_be_checked(facts) || facts.tag("dnswl") == "listed") co_return Decision::proceed();
    co_return state_->judge(peer_, facts.sender, facts.recipients.back().address, facts.time);
  }

 private:
  std::shared_ptr<State> state_;
  IpAddress peer_;
};

Task<Result<std::shared_ptr<Greylist>>> Greylist::open(kv::Store& store, kv::Table table, GreylistOptions options, Context context) {
  auto state = std::make_shared<State>(store, table, std::move(options));
  RowVisitor load = [&state](std::string_view key, std::string_view row) {
    if (state->triplets.owns(key)) return state->triplets.load(key, row);
    return state->networks.owns(key) && state->networks.load(key, row);
  };
  KM_CO_CHECK(co_await read_rows(store, table, std::move(load), context));
  state->triplets.loaded();
  state->networks.loaded();
  co_return std::shared_ptr<Greylist>(new Greylist(std::move(state)));
}

Greylist::~Greylist() = default;

void Greylist::set_options(GreylistOptions options) {
  const std::lock_guard lock(state_->mutex);
  state_->options = std::move(options);
}

std::unique_ptr<policy::Inspector> Greylist::inspect(const policy::Connection& connection) {
  const std::lock_guard lock(state_->mutex);
  if (!is_stranger(connection, state_->options.exempt)) return nullptr;
  return std::make_unique<Session>(state_, connection);
}

Task<Result<void>> Greylist::keep(Context context) {
  std::vector<RowChange> changes;
  {
    const std::lock_guard lock(state_->mutex);
    const WallTime oldest = context.executor->wall_now() - state_->options.remembered;
    state_->triplets.forget_before(oldest);
    state_->networks.forget_before(oldest);
    changes = state_->triplets.take_changes();
    std::ranges::move(state_->networks.take_changes(), std::back_inserter(changes));
  }
  auto written = co_await write_rows(state_->store, state_->table, changes, context);
  if (!written) {
    const std::lock_guard lock(state_->mutex);
    state_->triplets.put_back(changes);
    state_->networks.put_back(changes);
  }
  co_return written;
}

std::size_t Greylist::triplets() const {
  const std::lock_guard lock(state_->mutex);
  return state_->triplets.size();
}

std::size_t Greylist::networks() const {
  const std::lock_guard lock(state_->mutex);
  return state_->networks.size();
}

}  // namespace keystonemail::policies
