// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Sends one IMAP command again and again on loopback and lets the answers go by, so that the server's work is what is timed.
//
//   imap_drain PORT LOGIN PASSWORD MAILBOX COMMAND TIMES
//
// The first answer is read and counted; of those that follow, as long as it but for the text of their last lines, all but the
// end is dropped in the kernel, uncopied (MSG_TRUNC). Prints "octets=N best=SECONDS all=SECONDS client_cpu=SECONDS" for the
// TIMES that followed.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void give_up(std::string_view why) {
  std::cerr << "imap_drain: " << why << std::endl;
  std::exit(1);
}

class Client {
 public:
  explicit Client(std::uint16_t port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    const int on = 1;
    setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    if (connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) give_up("cannot connect");
    while (!tail_.ends_with("\r\n")) (void)receive(tail_octets);
  }
  ~Client() { close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Sends the command and reads its answer; the octets of that.
  std::size_t run(std::string_view command) {
    begin(command);
    std::size_t octets = 0;
    while (!is_over()) octets += receive(buffer_.size());
    return octets;
  }
  // As before, the answer having about as many octets as is said.
  void run(std::string_view command, std::size_t octets) {
    begin(command);
    while (octets > tail_octets) octets -= take(octets - tail_octets, MSG_TRUNC);
    while (!is_over()) (void)receive(buffer_.size());
  }

 private:
  static constexpr std::size_t tail_octets = 4096;

  void begin(std::string_view command) {
    tag_ = std::to_string(++number_);
    const std::string line = tag_ + ' ' + std::string(command) + "\r\n";
    if (send(fd_, line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size())) give_up("cannot send");
    tail_.clear();
  }
  std::size_t take(std::size_t octets_max, int flags) {
    const auto got = recv(fd_, flags == MSG_TRUNC ? nullptr : buffer_.data(), octets_max, flags);
    if (got <= 0) give_up("the server closed");
    return static_cast<std::size_t>(got);
  }
  std::size_t receive(std::size_t octets_max) {
    const std::size_t got = take(std::min(octets_max, buffer_.size()), 0);
    const std::size_t last = std::min(got, tail_octets);
    tail_.append(buffer_, got - last, last);
    if (tail_.size() > tail_octets) tail_.erase(0, tail_.size() - tail_octets);
    return got;
  }
  // Whether what came last is the line that completes the command.
  [[nodiscard]] bool is_over() const {
    if (!tail_.ends_with("\r\n")) return false;
    const auto before = tail_.rfind("\r\n", tail_.size() - 3);
    const auto line = std::string_view(tail_).substr(before == std::string::npos ? 0 : before + 2);
    if (!line.starts_with(tag_ + ' ')) return false;
    if (!line.starts_with(tag_ + " OK")) give_up(line);
    return true;
  }

  int fd_;
  unsigned number_ = 1000;  // so that all tags have four octets
  std::string tag_, tail_, buffer_ = std::string(1U << 20, '\0');
};

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

double own_cpu() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

}  // namespace

int main(int count, char** words) {
  if (count != 7) {
    std::cerr << "usage: imap_drain PORT LOGIN PASSWORD MAILBOX COMMAND TIMES\n";
    return 2;
  }
  Client client(static_cast<std::uint16_t>(std::strtoul(words[1], nullptr, 10)));
  (void)client.run("LOGIN " + std::string(words[2]) + " \"" + words[3] + '"');
  (void)client.run("SELECT " + std::string(words[4]));
  const std::string_view command = words[5];
  const std::size_t octets = client.run(command);
  const double cpu = own_cpu();
  const auto start = Clock::now();
  double best = 1e9;
  for (auto left = std::strtoul(words[6], nullptr, 10); left > 0; --left) {
    const auto begin = Clock::now();
    client.run(command, octets);
    best = std::min(best, seconds_since(begin));
  }
  std::cout << "octets=" << octets << " best=" << best << " all=" << seconds_since(start) << " client_cpu=" << own_cpu() - cpu << std::endl;
  return 0;
}
