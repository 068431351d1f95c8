// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What a long queue costs: how soon the first attempts are made after a start, memory, and processor time while nobody can be
// reached. Prints figures, judges nothing.
//
//   queue_bench DIRECTORY fill MESSAGES DOMAINS
//   queue_bench DIRECTORY run SECONDS refuse|silent      in a process of its own, so that its memory is its own
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "keystonemail/backends/lmdb/kv_store.hpp"
#include "keystonemail/backends/segments/blob_store.hpp"
#include "keystonemail/service/delivery/kv_delivery.hpp"
#include "keystonemail/service/queue/kv_queue.hpp"
#include "keystonemail/service/relay/relay.hpp"
#include "support/fake_directory.hpp"

using namespace keystonemail;

namespace {

constexpr std::size_t in_flight = 4'096;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double processor_seconds() {
  struct rusage usage {};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// In MiB. What is mapped of the store is shared with the page cache and told apart.
double status_of(const char* key) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(key)) return std::atof(line.c_str() + std::strlen(key)) / 1024;
  return 0;
}

template <class T>
T must(Result<T> result) {
  if (!result) std::printf("failed: %s\n", result.error().describe().c_str()), std::exit(1);
  return *std::move(result);
}

struct Store {
  explicit Store(const std::string& directory) {
    std::filesystem::create_directories(directory);
    lmdb::KvOptions options;
    options.directory = directory + "/kv";
    options.free_octets_min = 1 << 20;
    options.free_percent_min = 0;
    options.group_operations_max = in_flight;
    options.file_systems = lmdb::FileSystems::any;
    for (const auto name : service::mail_store_tables()) options.tables.emplace_back(name);
    for (const auto name : service::queue_tables()) options.tables.emplace_back(name);
    for (const auto name : segments::blob_tables()) options.tables.emplace_back(name);
    const auto mail_tables = service::mail_store_tables().size();
    kv = must(lmdb::open_kv_store(options));
    segments::BlobOptions blob_options;
    blob_options.directory = directory + "/segments";
    blob_options.first_table = static_cast<kv::Table>(mail_tables + service::queue_tables().size());
    blob_options.free_octets_min = 1 << 20;
    blob_options.free_percent_min = 0;
    blobs = must(loop.run_until(segments::open_blob_store(*kv, blob_options, Context{&loop})));
    mail = must(loop.run_until(service::KvMailStore::open(*kv, *blobs, random, {}, Context{&loop})));
    queue = std::make_unique<service::KvQueue>(*mail, service::QueueOptions{.first_table = static_cast<kv::Table>(mail_tables)});
    delivery = std::make_unique<service::KvDelivery>(*mail, *queue);
  }

  RunLoop loop;
  SystemRandom random;
  std::unique_ptr<lmdb::KvStore> kv;
  std::unique_ptr<segments::BlobStore> blobs;
  std::unique_ptr<service::KvMailStore> mail;
  std::unique_ptr<service::KvQueue> queue;
  std::unique_ptr<service::KvDelivery> delivery;
};

Task<void> add(Store& store, std::uint64_t n, std::uint64_t domains, std::size_t& pending) {
  const Context context{&store.loop};
  auto writer = must(store.delivery->create_message());
  const std::string text = "From: a@example.test\r\nSubject: number " + std::to_string(n) + "\r\n\r\n" + std::string(800, 'x') + "\r\n";
  (void)co_await writer->write(text, context);
  delivery::Submission submission;
  submission.message = must(co_await writer->finish(context));
  queue::NewEntry& entry = submission.remote.emplace();
  entry.envelope.sender = "a@example.test";
  entry.message_id = "<" + std::to_string(n) + "@example.test>";
  entry.recipients.resize(1);
  entry.recipients[0].address = "user@d" + std::to_string(n % domains) + ".test";
  (void)must(co_await store.delivery->deliver(std::move(submission), context));
  --pending;
}

void fill(const std::string& directory, std::uint64_t messages, std::uint64_t domains) {
  std::filesystem::remove_all(directory);
  Store store(directory);
  const auto begin = std::chrono::steady_clock::now();
  std::size_t pending = 0;
  for (std::uint64_t n = 0; n < messages; ++n) {
    ++pending;
    add(store, n, domains, pending).detach();
    while (pending >= in_flight || (n + 1 == messages && pending > 0)) store.loop.run_until(yield(store.loop));
  }
  std::printf("filled: %llu messages for %llu domains in %.1f s\n", static_cast<unsigned long long>(messages),
              static_cast<unsigned long long>(domains), seconds_since(begin));
}

// Every domain has a host, at an address where nobody is.
class Everywhere final : public resolver::Resolver {
 public:
  Task<Result<dns::Answer>> resolve(dns::Question question, Context) override {
    if (question.type != dns::RecordType::a) co_return dns::Answer::none(dns::AnswerStatus::no_data, question.name);
    dns::Answer answer{.status = dns::AnswerStatus::found, .authenticated = false, .ttl = std::chrono::seconds(60), .canonical_name = question.name, .records = {}};
    answer.records.emplace_back(dns::A{*IpAddress::parse("192.0.2.1")});
    co_return answer;
  }
};

class Nobody final : public transport::Connector {
 public:
  explicit Nobody(bool silent) : silent_(silent) {}
  Task<Result<std::unique_ptr<transport::ByteStream>>> connect(Endpoint, Context context) override {
    if (attempts++ == 0) first = std::chrono::steady_clock::now();
    if (!silent_) co_return fail(ErrorKind::unavailable, {}, "refused");
    co_await sleep_until(context.deadline, context);
    co_return fail(ErrorKind::timeout, {}, "nobody answers");
  }
  std::uint64_t attempts = 0;
  std::chrono::steady_clock::time_point first{};

 private:
  bool silent_;
};

void run(const std::string& directory, double seconds, bool silent) {
  const auto begin = std::chrono::steady_clock::now();
  Store store(directory);
  std::printf("opened after %.3f s\n", seconds_since(begin));
  Everywhere resolver;
  Nobody connector(silent);
  NullLog log;
  test::FakeDirectory directory_port;
  relay::Options options;
  options.hostname = "mail.example.test";
  relay::Relay relay(options, relay::Services{*store.queue, *store.delivery, directory_port, resolver, connector, store.random, log, nullptr});
  std::stop_source stop;
  auto running = relay.run(Context{&store.loop, stop.get_token()});
  double last_cpu = processor_seconds();
  for (double next = std::min(10.0, seconds); seconds_since(begin) < seconds; next += 10) {
    while (seconds_since(begin) < std::min(next, seconds)) {
      store.loop.run_until(sleep_until(store.loop.now() + std::chrono::milliseconds(50), Context{&store.loop}));
    }
    const double cpu = processor_seconds();
    std::printf("%5.0f s: %llu attempts, %zu active, %zu connections, %zu destinations, memory %.0f MiB of our own, %.0f MiB with the map; cpu %.2f s\n",
                seconds_since(begin), static_cast<unsigned long long>(connector.attempts), relay.load().active, relay.load().connections,
                relay.load().destinations, status_of("RssAnon:"), status_of("VmRSS:"), cpu - last_cpu);
    std::fflush(stdout);
    last_cpu = cpu;
  }
  std::printf("first attempt %.3f s after the start; %.1f %% of a processor in all; peak %.0f MiB with the map\n",
              std::chrono::duration<double>(connector.first - begin).count(), processor_seconds() / seconds_since(begin) * 100, status_of("VmHWM:"));
  stop.request_stop();
  store.loop.run_until(std::move(running));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 5 && std::strcmp(argv[2], "fill") == 0) {
    fill(argv[1], std::strtoull(argv[3], nullptr, 10), std::strtoull(argv[4], nullptr, 10));
  } else if (argc == 5 && std::strcmp(argv[2], "run") == 0) {
    run(argv[1], std::atof(argv[3]), std::strcmp(argv[4], "silent") == 0);
  } else {
    std::fprintf(stderr, "usage: queue_bench DIRECTORY fill MESSAGES DOMAINS | run SECONDS refuse|silent\n");
    return 2;
  }
  return 0;
}
