// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// NameServer: a DNS server on loopback, UDP and TCP, that answers from a zone and misbehaves on demand.
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "dns/wire_reader.hpp"
#include "keystonemail/dns/zone.hpp"

namespace keystonemail::test {

// The octets of a response, not compressed.
class ResponseWriter {
 public:
  void u8(unsigned value) { octets_ += static_cast<char>(value); }
  void u16(unsigned value) { u8(value >> 8), u8(value); }
  void u32(std::uint32_t value) { u16(value >> 16), u16(value & 0xffff); }
  void name(const dns::Name& name) { octets_ += name.wire(); }
  void string(std::string_view text) { u8(static_cast<unsigned>(text.size())), octets_ += text; }
  void record(const dns::Name& owner, std::uint32_t ttl, const dns::RecordData& data) {
    name(owner), u16(static_cast<unsigned>(type_of(data))), u16(1), u32(ttl);
    ResponseWriter inner;
    std::visit([&inner](const auto& typed) { inner.rdata(typed); }, data);
    u16(static_cast<unsigned>(inner.octets_.size()));
    octets_ += inner.octets_;
  }
  [[nodiscard]] const std::string& octets() const { return octets_; }

 private:
  void rdata(const dns::A& data) { octets_.append(reinterpret_cast<const char*>(data.address.octets().data()), 4); }
  void rdata(const dns::Aaaa& data) { octets_.append(reinterpret_cast<const char*>(data.address.octets().data()), 16); }
  void rdata(const dns::Cname& data) { name(data.target); }
  void rdata(const dns::Ptr& data) { name(data.target); }
  void rdata(const dns::Ns& data) { name(data.target); }
  void rdata(const dns::Mx& data) { u16(data.preference), name(data.exchange); }
  void rdata(const dns::Txt& data) {
    for (const auto& piece : data.strings) string(piece);
  }
  void rdata(const dns::Soa& data) {
    name(data.primary), name(data.mailbox);
    for (const auto value : {data.serial, data.refresh, data.retry, data.expire, data.minimum}) u32(value);
  }
  void rdata(const dns::Srv& data) { u16(data.priority), u16(data.weight), u16(data.port), name(data.target); }
  void rdata(const dns::Tlsa& data) { u8(data.usage), u8(data.selector), u8(data.matching_type), octets_ += data.data; }
  void rdata(const dns::Caa& data) { u8(data.flags), string(data.tag), octets_ += data.value; }
  void rdata(const dns::Opaque& data) { octets_ += data.data; }

  std::string octets_;
};

class NameServer {
 public:
  enum class Manner { answer, server_failure, refused, silent, truncated_only, garbage };

  explicit NameServer(std::string_view zone) : zone_(dns::parse_zone(zone).value()) {
    // A port that is free for both: one that UDP gives may be taken in TCP.
    for (int tries = 0; tcp_ < 0; ++tries) {
      if (udp_ >= 0) ::close(udp_);
      if (tries == 100) throw std::runtime_error("no port for a name server");
      udp_ = open(SOCK_DGRAM, 0);
      if (udp_ >= 0) tcp_ = open(SOCK_STREAM, port());
    }
    ::listen(tcp_, 16);
    thread_ = std::jthread([this](std::stop_token stop) { run(stop); });
  }
  ~NameServer() {
    thread_.request_stop();
    thread_.join();
    ::close(udp_);
    ::close(tcp_);
  }
  NameServer(const NameServer&) = delete;

  [[nodiscard]] Endpoint endpoint() const { return {IpAddress::v4({127, 0, 0, 1}), port()}; }
  void treat(std::string_view name, Manner manner) {
    const std::lock_guard lock(mutex_);
    manners_[dns::Name::parse(name).value()] = manner;
  }
  [[nodiscard]] int queries() const { return queries_; }

 private:
  enum class Over { udp, tcp };

  static int open(int kind, std::uint16_t port) {
    const int fd = ::socket(AF_INET, kind | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
    ::close(fd);
    return -1;
  }
  [[nodiscard]] std::uint16_t port() const {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    ::getsockname(udp_, reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(address.sin_port);
  }

  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      std::array<pollfd, 2> ready{pollfd{udp_, POLLIN, 0}, pollfd{tcp_, POLLIN, 0}};
      if (::poll(ready.data(), ready.size(), 20) <= 0) continue;
      if (ready[0].revents != 0) serve_datagram();
      if (ready[1].revents != 0) serve_connection();
    }
  }
  void serve_datagram() {
    std::array<char, 4096> buffer{};
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    const auto octets = ::recvfrom(udp_, buffer.data(), buffer.size(), 0, reinterpret_cast<sockaddr*>(&peer), &size);
    if (octets <= 0) return;
    const auto reply = respond({buffer.data(), static_cast<std::size_t>(octets)}, Over::udp);
    if (reply) ::sendto(udp_, reply->data(), reply->size(), 0, reinterpret_cast<sockaddr*>(&peer), size);
  }
  void serve_connection() {
    const int fd = ::accept(tcp_, nullptr, nullptr);
    if (fd < 0) return;
    std::array<unsigned char, 2> length{};
    std::array<char, 4096> buffer{};
    if (::recv(fd, length.data(), 2, MSG_WAITALL) == 2) {
      const std::size_t wanted = static_cast<std::size_t>(length[0]) << 8 | length[1];
      if (wanted <= buffer.size() && ::recv(fd, buffer.data(), wanted, MSG_WAITALL) == static_cast<ssize_t>(wanted)) {
        if (const auto reply = respond({buffer.data(), wanted}, Over::tcp)) {
          const std::string framed = std::string{static_cast<char>(reply->size() >> 8), static_cast<char>(reply->size())} + *reply;
          for (std::size_t sent = 0; sent < framed.size();) {
            const auto now = ::send(fd, framed.data() + sent, framed.size() - sent, MSG_NOSIGNAL);
            if (now <= 0) break;
            sent += static_cast<std::size_t>(now);
          }
        }
      }
    }
    ::close(fd);
  }

  Manner manner_of(const dns::Name& name) {
    const std::lock_guard lock(mutex_);
    const auto found = manners_.find(name);
    return found == manners_.end() ? Manner::answer : found->second;
  }

  std::optional<std::string> respond(std::string_view query, Over over) {
    ++queries_;
    dns::WireReader reader(query, 0, query.size());
    const auto id = reader.u16();
    if (!reader.octets(10)) return std::nullopt;
    const auto question_start = reader.offset();
    const auto name = reader.name();
    const auto type = reader.u16();
    if (!name || !type || !reader.u16()) return std::nullopt;
    const std::string_view question = query.substr(question_start, reader.offset() - question_start);
    switch (manner_of(*name)) {
      case Manner::silent: return std::nullopt;
      case Manner::server_failure: return head(*id, 2, 0, 0, question, false);
      case Manner::refused: return head(*id, 5, 0, 0, question, false);
      case Manner::truncated_only:
        if (over == Over::tcp) return std::nullopt;
        return head(*id, 0, 0, 0, question, true);
      case Manner::garbage: return head(*id, 0, 3, 0, question, false) + std::string("\xc0\x0c\x00\x0f\x00\x01 garbage", 14);
      case Manner::answer: break;
    }
    std::string out = answer(*id, question, {*name, static_cast<dns::RecordType>(*type)});
    if (over == Over::udp && out.size() > 512) return head(*id, 0, 0, 0, question, true);
    return out;
  }

  static std::string head(unsigned id, unsigned code, unsigned answers, unsigned authorities, std::string_view question, bool truncated) {
    ResponseWriter out;
    out.u16(id), out.u16(0x8580U | code | (truncated ? 0x200U : 0U)), out.u16(1), out.u16(answers), out.u16(authorities), out.u16(0);
    return out.octets() + std::string(question);
  }
  std::string answer(unsigned id, std::string_view question, dns::Question asked) const {
    ResponseWriter body;
    unsigned answers = 0;
    for (int links = 0; links < 8 && asked.type != dns::RecordType::cname; ++links) {
      const auto alias = zone_.lookup({asked.name, dns::RecordType::cname});
      if (alias.status != dns::AnswerStatus::found) break;
      body.record(asked.name, static_cast<std::uint32_t>(alias.ttl.count()), alias.records.front());
      asked.name = std::get<dns::Cname>(alias.records.front()).target;
      ++answers;
    }
    const auto found = zone_.lookup(asked);
    if (found.status == dns::AnswerStatus::server_failure) return head(id, 0, answers, 0, question, false) + body.octets();
    for (const auto& record : found.records) body.record(found.canonical_name, static_cast<std::uint32_t>(found.ttl.count()), record), ++answers;
    const unsigned code = found.status == dns::AnswerStatus::no_such_name ? 3 : 0;
    return head(id, code, answers, 0, question, false) + body.octets();
  }

  const dns::Zone zone_;
  int udp_ = -1, tcp_ = -1;
  std::mutex mutex_;
  std::map<dns::Name, Manner> manners_;
  std::atomic<int> queries_ = 0;
  std::jthread thread_;
};

}  // namespace keystonemail::test
