// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Sends messages over many SMTP or LMTP connections to a server on loopback and says how fast they were accepted.
//
//   smtp_load PORT CONNECTIONS MESSAGES OCTETS USERS [lmtp] [domain=DOMAIN] [sender=ADDRESS] [plain=BASE64]
//
// One message a transaction, MAIL, RCPT and DATA in one segment where PIPELINING is offered, recipients user0 ..
// user(USERS-1)@DOMAIN (example.test) in turn. With `plain` each connection logs in with that SASL message first.
// Prints "accepted=N seconds=S rate=R client_cpu=C".
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

struct Plan {
  std::uint16_t port;
  unsigned connections, users;
  unsigned long messages, octets;
  bool lmtp;
  std::string domain, sender, plain;
};

std::string make_body(std::size_t octets, unsigned seed) {
  std::string out;
  unsigned state = seed * 2654435761U + 1;
  while (out.size() < octets) {
    for (int i = 0; i < 72 && out.size() < octets; ++i) {
      state = state * 1664525U + 1013904223U;
      out.push_back("abcdefghijklmnopqrstuvwxyz     0"[state >> 27]);
    }
    out += "\r\n";
  }
  return out;
}

// A header of its own for each message and one of a few bodies, made beforehand: the server's work is what is timed.
class Messages {
 public:
  explicit Messages(const Plan& plan) : sender_(plan.sender) {
    for (unsigned i = 0; i < 16; ++i) bodies_.push_back(make_body(plan.octets - std::min(plan.octets, header(0).size()), i));
  }
  [[nodiscard]] std::string make(unsigned long number) const { return header(number) + bodies_[number % bodies_.size()]; }

 private:
  [[nodiscard]] std::string header(unsigned long number) const {
    return "From: Sender <" + sender_ + ">\r\nTo: user@example.test\r\nSubject: message " + std::to_string(number) +
           "\r\nDate: Sat, 21 Nov 2026 10:00:00 +0000\r\nMessage-ID: <" + std::to_string(number) + "." +
           std::to_string(getpid()) + "@elsewhere.test>\r\n\r\n";
  }
  const std::string sender_;
  std::vector<std::string> bodies_;
};

struct Connection {
  enum class State { greeting, hello, login, envelope, body, quit, over } state = State::greeting;
  int fd = -1;
  std::string in, out;
  std::size_t sent = 0;
  unsigned replies_awaited = 1;
  std::string message;
};

class Load {
 public:
  explicit Load(const Plan& plan) : plan_(plan), mails_(plan) {}

  int run() {
    for (unsigned i = 0; i < plan_.connections; ++i) open();
    const auto start = std::chrono::steady_clock::now();
    while (open_ > 0) turn();
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const double cpu = static_cast<double>(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                       static_cast<double>(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    std::cout << "accepted=" << accepted_ << " seconds=" << seconds << " rate=" << static_cast<double>(accepted_) / seconds
              << " client_cpu=" << cpu << std::endl;
    return accepted_ == plan_.messages ? 0 : 1;
  }

 private:
  void open() {
    Connection c;
    c.fd = socket(AF_INET, SOCK_STREAM, 0);
    const int on = 1;
    setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(plan_.port), .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_zero = {}};
    if (connect(c.fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
      std::perror("smtp_load: connect");
      std::exit(1);
    }
    connections_.push_back(std::move(c));
    ++open_;
  }

  void turn() {
    polls_.clear();
    for (const Connection& c : connections_) {
      const bool writes = c.sent < c.out.size();
      polls_.push_back({.fd = c.fd, .events = static_cast<short>(POLLIN | (writes ? POLLOUT : 0)), .revents = 0});
    }
    poll(polls_.data(), polls_.size(), 60'000);
    for (std::size_t i = 0; i < connections_.size(); ++i) {
      Connection& c = connections_[i];
      if (c.fd < 0) continue;
      if ((polls_[i].revents & POLLIN) != 0) receive(c);
      if (c.fd >= 0) flush(c);
    }
  }

  void flush(Connection& c) {
    if (c.sent == c.out.size()) return;
    const auto n = ::send(c.fd, c.out.data() + c.sent, c.out.size() - c.sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) c.sent += static_cast<std::size_t>(n);
    if (c.sent == c.out.size()) c.out.clear(), c.sent = 0;
  }

  void receive(Connection& c) {
    char buffer[65'536];
    const auto n = ::recv(c.fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (n == 0) return finish(c);
    if (n < 0) return;
    c.in.append(buffer, static_cast<std::size_t>(n));
    std::size_t begin = 0;
    for (std::size_t end; c.fd >= 0 && (end = c.in.find("\r\n", begin)) != std::string::npos; begin = end + 2) {
      const std::string_view line(c.in.data() + begin, end - begin);
      if (line.size() > 3 && line[3] == '-') continue;
      reply(c, line);
    }
    if (c.fd >= 0) c.in.erase(0, begin);
  }

  void reply(Connection& c, std::string_view line) {
    if (line.empty() || line[0] > '3') {
      std::cerr << "smtp_load: " << line << std::endl;
      return finish(c);
    }
    if (--c.replies_awaited > 0) return;
    switch (c.state) {
      case Connection::State::greeting:
        c.out += plan_.lmtp ? "LHLO load.test\r\n" : "EHLO load.test\r\n";
        c.state = Connection::State::hello;
        c.replies_awaited = 1;
        return;
      case Connection::State::hello:
        if (plan_.plain.empty()) return begin(c);
        c.out += "AUTH PLAIN " + plan_.plain + "\r\n";
        c.state = Connection::State::login;
        c.replies_awaited = 1;
        return;
      case Connection::State::body: ++accepted_; [[fallthrough]];
      case Connection::State::login: return begin(c);
      case Connection::State::envelope:
        c.out = std::exchange(c.message, {});  // all before it was sent, as it was answered
        c.sent = 0;
        c.state = Connection::State::body;
        c.replies_awaited = 1;
        return;
      case Connection::State::quit:
      case Connection::State::over: return finish(c);
    }
  }

  void begin(Connection& c) {
    if (started_ == plan_.messages) {
      c.out += "QUIT\r\n";
      c.state = Connection::State::quit;
      c.replies_awaited = 1;
      return;
    }
    const unsigned long number = started_++;
    c.message = mails_.make(number) + ".\r\n";
    c.out += "MAIL FROM:<" + plan_.sender + ">\r\nRCPT TO:<user" + std::to_string(number % plan_.users) + "@" + plan_.domain + ">\r\nDATA\r\n";
    c.state = Connection::State::envelope;
    c.replies_awaited = 3;
  }

  void finish(Connection& c) {
    close(c.fd);
    c.fd = -1;
    c.out.clear();
    c.sent = 0;
    c.state = Connection::State::over;
    --open_;
  }

  const Plan plan_;
  const Messages mails_;
  std::vector<Connection> connections_;
  std::vector<pollfd> polls_;
  unsigned open_ = 0;
  unsigned long started_ = 0, accepted_ = 0;
};

}  // namespace

int main(int count, char** words) {
  if (count < 6) {
    std::cerr << "usage: smtp_load PORT CONNECTIONS MESSAGES OCTETS USERS [lmtp] [domain=DOMAIN] [sender=ADDRESS] [plain=BASE64]\n";
    return 2;
  }
  const auto number = [&](int i) { return std::strtoul(words[i], nullptr, 10); };
  Plan plan{.port = static_cast<std::uint16_t>(number(1)), .connections = static_cast<unsigned>(number(2)),
            .users = static_cast<unsigned>(number(5)), .messages = number(3), .octets = number(4), .lmtp = false,
            .domain = "example.test", .sender = "sender@elsewhere.test", .plain = {}};
  for (int i = 6; i < count; ++i) {
    const std::string_view word = words[i];
    if (word == "lmtp") plan.lmtp = true;
    else if (word.starts_with("domain=")) plan.domain = word.substr(7);
    else if (word.starts_with("sender=")) plan.sender = word.substr(7);
    else if (word.starts_with("plain=")) plan.plain = word.substr(6);
  }
  return Load(plan).run();
}
