// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "sim/wire.hpp"

#include <charconv>
#include <utility>

namespace keystonemail::sim {
namespace {

constexpr auto patience = std::chrono::hours(2);

// What one end of the connection does wrong, if anything.
test::StreamFaults draw_faults(SeededRandom& random) {
  test::StreamFaults faults;
  faults.seed = random.next_u64();
  if (random.below(4) == 0) faults.cut_read_at = random.below(random.below(2) == 0 ? 600 : 20'000);
  if (random.below(4) == 0) faults.cut_write_at = random.below(random.below(2) == 0 ? 600 : 20'000);
  if (random.below(3) == 0) {
    faults.random_sizes = true;
    faults.read_octets_max = 1 + random.below(300);
    faults.write_octets_max = 1 + random.below(300);
  }
  if (random.below(5) == 0) faults.read_delay_max = std::chrono::milliseconds(random.below(3) == 0 ? 4'000 : 50);
  if (random.below(8) == 0) faults.write_delay_max = std::chrono::milliseconds(50);
  return faults;
}

bool is_cut(const Error& error) { return error.detail() == "cut by the test"; }

std::size_t draw_capacity(SeededRandom& random) {
  constexpr std::size_t capacities[] = {65'536, 65'536, 4'096, 256, 17};
  return capacities[random.below(std::size(capacities))];
}

// The octets of the literal that a line announces at its end, if it does.
std::optional<std::size_t> literal_size(std::string_view line) {
  if (!line.ends_with('}')) return std::nullopt;
  const auto brace = line.rfind('{');
  if (brace == std::string_view::npos) return std::nullopt;
  std::size_t size = 0;
  const auto [end, error] = std::from_chars(line.data() + brace + 1, line.data() + line.size() - 1, size);
  if (error != std::errc() || end != line.data() + line.size() - 1) return std::nullopt;
  return size;
}

}  // namespace

Wire::Wire(World& world, Port port, SeededRandom& random)
    : Wire(world, port, draw_capacity(random), draw_faults(random), draw_faults(random)) {}

Wire::Wire(World& world, Port port, std::size_t capacity, test::StreamFaults client, test::StreamFaults server)
    : world_(world), moved_(std::make_shared<Instant>(world.executor.now())), number_(world.next_wire()) {
  client.progress = server.progress = [&world, moved = moved_] { *moved = world.last_progress = world.executor.now(); };
  stream_ = std::make_unique<test::FaultyStream>(world.connect(port, capacity, server), client);
}

void Wire::note(std::string_view mark, std::string_view octets) {
  const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(world_.executor.now().time_since_epoch());
  world_.trace.note(std::to_string(time.count()) + " " + std::to_string(number_) + " " + std::string(mark) + " " + std::string(octets));
}

Task<bool> Wire::read_more() {
  if (!stream_ || world_.clients_must_end()) co_return false;
  Context context = world_.client_context();
  *moved_ = world_.executor.now();
  Result<std::string_view> got;
  do {  // a slow server still reads what was sent before
    context.deadline = *moved_ + patience;
    got = co_await stream_->read(context);
  } while (!got && got.error().kind() == ErrorKind::timeout && *moved_ + patience > world_.executor.now());
  if (!got && got.error().kind() == ErrorKind::timeout) world_.ledger.violation("a client waited in vain");
  cut_ = cut_ || (!got && is_cut(got.error()));
  if (!got || got->empty() || world_.clients_must_end()) {
    drop();
    co_return false;
  }
  note("<", *got);
  unread_ += *got;
  heard_ += got->size();
  stream_->consume(got->size());
  co_return true;
}

Task<std::optional<std::string>> Wire::line() {
  std::size_t searched = 0;
  for (;;) {
    if (const auto end = unread_.find("\r\n", searched); end != std::string::npos) {
      std::string line = unread_.substr(0, end);
      unread_.erase(0, end + 2);
      co_return line;
    }
    searched = unread_.empty() ? 0 : unread_.size() - 1;
    const bool more = co_await read_more();
    if (!more) co_return std::nullopt;
  }
}

Task<std::optional<std::string>> Wire::octets(std::size_t count) {
  while (unread_.size() < count) {
    const bool more = co_await read_more();
    if (!more) co_return std::nullopt;
  }
  std::string taken = unread_.substr(0, count);
  unread_.erase(0, count);
  co_return taken;
}

Task<Sent> Wire::send(std::string_view text) {
  if (!stream_ || world_.clients_must_end()) co_return Sent::not_all;
  note(">", text);
  const auto written = co_await transport::write_all(*stream_, text, world_.client_context());
  if (written) {
    sent_ += text.size();
    co_return Sent::all;
  }
  drop();
  if (!is_cut(written.error())) co_return Sent::unknown;
  cut_ = true;
  co_return Sent::not_all;
}

Task<void> Wire::pause(std::chrono::milliseconds max, SeededRandom& random) {
  const std::chrono::milliseconds time(random.below(static_cast<std::uint64_t>(max.count()) + 1));
  const Context context = world_.client_context();
  co_await sleep_until(world_.executor.now() + time, context);
}

Task<SmtpReply> read_reply(Wire& wire) {
  SmtpReply reply;
  for (;;) {
    const auto line = co_await wire.line();
    if (!line || line->size() < 3) {
      reply.code = 0;
      co_return reply;
    }
    std::from_chars(line->data(), line->data() + 3, reply.code);
    reply.text += *line + "\n";
    if (line->size() == 3 || (*line)[3] != '-') co_return reply;
  }
}

Task<std::optional<ImapResponse>> read_response(Wire& wire) {
  ImapResponse response;
  for (;;) {
    auto line = co_await wire.line();
    if (!line) co_return std::nullopt;
    response.text += *line;
    const auto size = literal_size(*line);
    if (!size) co_return response;
    auto literal = co_await wire.octets(*size);
    if (!literal) co_return std::nullopt;
    response.literals.push_back(*std::move(literal));
  }
}

}  // namespace keystonemail::sim
