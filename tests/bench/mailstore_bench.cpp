// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// What the mail store does on LMDB and segment files, each change on stable storage: deliveries a second, listings of
// 100,000 messages, changes of flags, summaries, and octets on disk for octets delivered. Prints figures, judges nothing.
//
//   mailstore_bench DIRECTORY [messages]
#include <sys/resource.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "keystonemail/backends/lmdb/kv_store.hpp"
#include "keystonemail/backends/segments/blob_store.hpp"
#include "keystonemail/codec/base64.hpp"
#include "keystonemail/service/delivery/kv_delivery.hpp"
#include "keystonemail/service/mailstore/kv_mail_store.hpp"
#include "keystonemail/service/queue/kv_queue.hpp"

using namespace keystonemail;

namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

double processor_seconds() {
  struct rusage usage {};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

template <class T>
T must(Result<T> result) {
  if (!result) std::printf("failed: %s\n", result.error().describe().c_str()), std::exit(1);
  return *std::move(result);
}
void must(Result<void> result) {
  if (!result) std::printf("failed: %s\n", result.error().describe().c_str()), std::exit(1);
}

struct Bench {
  explicit Bench(std::string where) : directory(std::move(where)) {
    std::filesystem::remove_all(directory);
    std::filesystem::create_directories(directory);
    lmdb::KvOptions options;
    options.directory = directory + "/kv";
    options.free_octets_min = 1 << 20;
    options.free_percent_min = 0;
    options.file_systems = lmdb::FileSystems::any;
    for (const auto name : service::mail_store_tables()) options.tables.emplace_back(name);
    for (const auto name : service::queue_tables()) options.tables.emplace_back(name);
    for (const auto name : segments::blob_tables()) options.tables.emplace_back(name);
    const auto mail_tables = service::mail_store_tables().size();
    const auto queue_tables = service::queue_tables().size();
    kv = must(lmdb::open_kv_store(options));
    segments::BlobOptions blob_options;
    blob_options.directory = directory + "/segments";
    blob_options.first_table = static_cast<kv::Table>(mail_tables + queue_tables);
    blob_options.free_octets_min = 1 << 20;
    blob_options.free_percent_min = 0;
    blobs = must(loop.run_until(segments::open_blob_store(*kv, blob_options, context())));
    mail = must(loop.run_until(service::KvMailStore::open(*kv, *blobs, random, {}, context())));
    queue = std::make_unique<service::KvQueue>(*mail, service::QueueOptions{.first_table = static_cast<kv::Table>(mail_tables)});
    delivery = std::make_unique<service::KvDelivery>(*mail, *queue);
  }
  Context context() { return Context{&loop}; }
  mailstore::AccountId account(unsigned n) {
    const mailstore::AccountId id{n};
    must(loop.run_until(mail->create_account(id, {}, context())));
    return id;
  }
  std::uint64_t octets_on_disk() const {
    std::uint64_t sum = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
      struct stat status {};
      if (entry.is_regular_file() && stat(entry.path().c_str(), &status) == 0) sum += static_cast<std::uint64_t>(status.st_blocks) * 512;
    }
    return sum;
  }

  std::string directory;
  RunLoop loop;
  SystemRandom random;
  std::unique_ptr<lmdb::KvStore> kv;
  std::unique_ptr<segments::BlobStore> blobs;
  std::unique_ptr<service::KvMailStore> mail;
  std::unique_ptr<service::KvQueue> queue;
  std::unique_ptr<service::KvDelivery> delivery;
};

const char* const words[] = {"report", "meeting", "the", "project", "please", "and", "for", "of", "to", "invoice", "team",
                             "with", "schedule", "is", "will", "on", "budget", "question", "in", "we", "release", "thanks"};

std::string text(std::uint64_t& seed, std::size_t octets) {
  std::string out;
  while (out.size() < octets) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    out += words[(seed >> 40) % std::size(words)];
    out += (seed >> 33) % 11 == 0 ? "\r\n" : " ";
  }
  return out + "\r\n";
}

std::string header(std::uint64_t n, const char* rest) {
  char out[512];
  std::snprintf(out, sizeof out,
                "From: Anna Example <anna%llu@example.com>\r\nTo: Bob <bob@example.net>\r\nSubject: message number %llu\r\n"
                "Date: Mon, 5 Jan 2026 12:00:00 +0100\r\nMessage-ID: <%llx.%llu@mail.example.com>\r\nMIME-Version: 1.0\r\n%s",
                static_cast<unsigned long long>(n % 97), static_cast<unsigned long long>(n),
                static_cast<unsigned long long>(n * 0x9e3779b97f4a7c15ULL), static_cast<unsigned long long>(n), rest);
  return out;
}

std::string plain(std::uint64_t n, std::size_t octets) {
  std::uint64_t seed = n + 1;
  std::string message = header(n, "Content-Type: text/plain; charset=utf-8\r\n\r\n");
  if (message.size() < octets) message += text(seed, octets - message.size());
  return message;
}

Task<void> deliver_some(Bench& bench, const std::vector<mailstore::AccountId>& accounts, std::uint64_t& next,
                        std::uint64_t last, std::size_t octets) {
  while (next < last) {
    const std::uint64_t n = next++;
    auto writer = must(bench.delivery->create_message());
    must(co_await writer->write(plain(n, octets), bench.context()));
    delivery::Submission submission;
    submission.message = must(co_await writer->finish(bench.context()));
    delivery::LocalRecipient recipient;
    recipient.account = accounts[n % accounts.size()];
    recipient.prefix = "Return-Path: <anna@example.com>\r\nDelivered-To: bob@example.net\r\n"
                       "Received: from client (client [192.0.2.1]) by mx.example.net with ESMTP id abc123;\r\n"
                       "\tMon, 5 Jan 2026 12:00:00 +0000\r\n";
    submission.local.push_back(std::move(recipient));
    must(co_await bench.delivery->deliver(std::move(submission), bench.context()));
  }
}

void deliveries(Bench& bench, const std::vector<mailstore::AccountId>& accounts, unsigned concurrent, std::size_t octets,
                std::uint64_t count) {
  static std::uint64_t next = 0;
  const std::uint64_t last = next + count;
  const auto start = std::chrono::steady_clock::now();
  const double processor = processor_seconds();
  const auto before = bench.kv->stat();
  std::vector<Task<void>> tasks;
  for (unsigned i = 0; i < concurrent; ++i) tasks.push_back(deliver_some(bench, accounts, next, last, octets));
  for (auto& task : tasks) bench.loop.run_until(std::move(task));
  const double took = seconds_since(start);
  const double used = (processor_seconds() - processor) / static_cast<double>(count);
  const auto after = bench.kv->stat();
  std::printf("deliver %7zu octets, %3u at once, %2zu accounts: %8.0f /s, %6.0f us of processor each, %.2f commits each\n",
              octets, concurrent, accounts.size(), static_cast<double>(count) / took, used * 1e6,
              static_cast<double>(after.commits - before.commits) / static_cast<double>(count));
  std::fflush(stdout);
}

void listing(Bench& bench, mailstore::AccountId account, std::uint64_t messages) {
  const mailstore::MailboxId inbox{1};
  std::vector<mailstore::MessageRow> rows;
  for (const char* how : {"cold", "again", "again"}) {
    const auto start = std::chrono::steady_clock::now();
    rows = must(bench.loop.run_until(bench.mail->messages(account, inbox, {}, 0, bench.context())));
    std::printf("list %zu messages, %s: %.2f ms\n", rows.size(), how, seconds_since(start) * 1e3);
  }
  std::vector<mailstore::Uid> uids;
  std::vector<mailstore::EmailId> emails;
  for (std::size_t i = 0; i < rows.size() && i < 10'000; ++i) uids.push_back(rows[i].uid), emails.push_back(rows[i].email);
  const auto since = must(bench.loop.run_until(bench.mail->account(account, bench.context()))).modseq;
  mailstore::FlagChange change;
  change.keywords.set(mailstore::SystemKeyword::seen);
  auto start = std::chrono::steady_clock::now();
  (void)must(bench.loop.run_until(bench.mail->change_flags(account, inbox, uids, change, bench.context())));
  std::printf("flags of %zu: %.2f ms\n", uids.size(), seconds_since(start) * 1e3);
  start = std::chrono::steady_clock::now();
  (void)must(bench.loop.run_until(bench.mail->messages(account, inbox, {}, since, bench.context())));
  std::printf("what changed since: %.2f ms\n", seconds_since(start) * 1e3);
  start = std::chrono::steady_clock::now();
  (void)must(bench.loop.run_until(bench.mail->messages(account, inbox, {}, 0, bench.context())));
  std::printf("list %llu after that: %.2f ms\n", static_cast<unsigned long long>(messages), seconds_since(start) * 1e3);
  start = std::chrono::steady_clock::now();
  (void)must(bench.loop.run_until(bench.mail->summaries(account, emails, bench.context())));
  std::printf("summaries of %zu: %.2f ms\n", emails.size(), seconds_since(start) * 1e3);
  start = std::chrono::steady_clock::now();
  for (const auto email : emails) {
    auto reader = must(bench.loop.run_until(bench.mail->open(account, email, bench.context())));
    (void)must(bench.loop.run_until(reader->read(0, SIZE_MAX, bench.context())));
  }
  std::printf("read %zu whole: %.2f ms\n", emails.size(), seconds_since(start) * 1e3);
  start = std::chrono::steady_clock::now();
  (void)must(bench.loop.run_until(bench.mail->copy(account, inbox, uids, mailstore::MailboxId{6}, bench.context())));
  std::printf("copy %zu: %.2f ms\n", uids.size(), seconds_since(start) * 1e3);
  change = {};
  change.deleted = true;
  (void)must(bench.loop.run_until(bench.mail->change_flags(account, inbox, uids, change, bench.context())));
  start = std::chrono::steady_clock::now();
  (void)must(bench.loop.run_until(bench.mail->expunge(account, inbox, uids, bench.context())));
  std::printf("expunge %zu: %.2f ms\n", uids.size(), seconds_since(start) * 1e3);
}

// Half plain, the rest newsletters; 12 % with attachments, some of which repeat; 5 % to ten recipients.
void mix(Bench& bench, std::uint64_t messages) {
  std::vector<mailstore::AccountId> accounts;
  for (unsigned i = 0; i < 10; ++i) accounts.push_back(bench.account(1000 + i));
  std::uint64_t delivered = 0, seed = 42;
  const auto start = std::chrono::steady_clock::now();
  for (std::uint64_t n = 0; n < messages; ++n) {
    std::string message;
    if (n % 100 < 12) {
      std::uint64_t content = n % 3 == 0 ? n % 50 : n;  // a third of them repeat
      std::string octets(20'000 + content * 7919 % 200'000, '\0');
      for (char& c : octets) content = content * 6364136223846793005ULL + 1442695040888963407ULL, c = static_cast<char>(content >> 56);
      message = header(n, "Content-Type: multipart/mixed; boundary=b0\r\n\r\n--b0\r\nContent-Type: text/plain\r\n\r\n") + text(seed, 800) +
                "\r\n--b0\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
                codec::encode_base64(octets, codec::Base64Layout{.line_octets = 76}) + "\r\n--b0--\r\n";
    } else if (n % 2 == 0) {
      message = plain(n, 1'000 + n * 31 % 4'000);
    } else {
      message = header(n, "Content-Type: text/html; charset=utf-8\r\n\r\n<html><body>");
      const std::size_t octets = 10'000 + n * 7 % 30'000;
      while (message.size() < octets) {
        message += "<table width=\"100%\"><tr><td style=\"font-family:Arial;color:#333333\">" + text(seed, 160) +
                   "<a href=\"https://news.example.com/click/" + std::to_string(seed) + "\">more</a></td></tr></table>\r\n";
      }
    }
    auto writer = must(bench.delivery->create_message());
    must(bench.loop.run_until(writer->write(message, bench.context())));
    delivery::Submission submission;
    submission.message = must(bench.loop.run_until(writer->finish(bench.context())));
    const std::size_t recipients = n % 20 == 0 ? 10 : 1;
    for (std::size_t i = 0; i < recipients; ++i) {
      delivery::LocalRecipient recipient;
      recipient.account = accounts[(n + i) % accounts.size()];
      recipient.prefix = "Return-Path: <anna@example.com>\r\nDelivered-To: user" + std::to_string(i) + "@example.net\r\n";
      delivered += recipient.prefix.size() + message.size();
      submission.local.push_back(std::move(recipient));
    }
    (void)must(bench.loop.run_until(bench.delivery->deliver(std::move(submission), bench.context())));
  }
  std::printf("mix of %llu: %.1f MB delivered in %.1f s, ", static_cast<unsigned long long>(messages), static_cast<double>(delivered) / 1e6, seconds_since(start));
  const auto stat = bench.kv->stat();
  const auto disk = bench.octets_on_disk();
  std::printf("%.1f MB on disk (%.3f); index %.1f MB, %.1f MB of it free\n", static_cast<double>(disk) / 1e6,
              static_cast<double>(disk) / static_cast<double>(delivered), static_cast<double>(stat.pages_used * stat.page_octets) / 1e6,
              static_cast<double>(stat.pages_free * stat.page_octets) / 1e6);
  for (const auto& table : stat.tables) {
    if (table.pages > 50) std::printf("  %-16s %8llu rows %8llu pages\n", table.name.c_str(), static_cast<unsigned long long>(table.rows), static_cast<unsigned long long>(table.pages));
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::printf("usage: mailstore_bench DIRECTORY [messages]\n"), 2;
  const std::uint64_t large = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 100'000;
  {
    Bench bench(std::string(argv[1]) + "/speed");
    std::vector<mailstore::AccountId> accounts;
    for (unsigned i = 1; i <= 16; ++i) accounts.push_back(bench.account(i));
    const std::vector<mailstore::AccountId> one{bench.account(99)};
    for (const unsigned concurrent : {1U, 8U, 32U, 128U}) deliveries(bench, accounts, concurrent, 1024, concurrent == 1 ? 1'000 : 8'000);
    deliveries(bench, accounts, 32, 50 * 1024, 2'000);
    deliveries(bench, accounts, 32, 1024 * 1024, 100);
    deliveries(bench, one, 128, 1024, large);
    listing(bench, one.front(), large);
  }
  {
    Bench bench(std::string(argv[1]) + "/mix");
    mix(bench, large / 10);
  }
  std::filesystem::remove_all(std::string(argv[1]) + "/speed");
  std::filesystem::remove_all(std::string(argv[1]) + "/mix");
}
