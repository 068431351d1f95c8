// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// The engines of DKIM and ARC on message files, for the cross-checks with other programs:
//
//   dkim_tool verify     TIME KEYS FILE...                             one line a file: "pass fail: why", parted by tabs
//   dkim_tool arc-verify TIME KEYS FILE...
//   dkim_tool sign       TIME KEY DOMAIN SELECTOR HEADER/BODY FILE...  FILE.signed
//   dkim_tool arc-seal   TIME KEY DOMAIN SELECTOR KEYS FILE...         FILE.sealed
//
// KEYS has lines of a name and its TXT record, KEY is PEM, TIME is in seconds since 1970.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "keystonemail/mailauth/arc/sealer.hpp"
#include "keystonemail/mailauth/arc/verifier.hpp"
#include "keystonemail/mailauth/dkim/key_record.hpp"
#include "keystonemail/mailauth/dkim/signer.hpp"
#include "keystonemail/mailauth/dkim/verifier.hpp"

using namespace keystonemail;
using namespace keystonemail::mailauth;

namespace {

using Keys = std::map<std::string, std::string>;
using Arguments = std::span<char* const>;

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_file(const std::string& path, const std::string& octets) { std::ofstream(path, std::ios::binary) << octets; }

Keys read_keys(const std::string& path) {
  Keys keys;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) keys[line.substr(0, line.find(' '))] = line.substr(line.find(' ') + 1);
  return keys;
}

WallTime time_of(const char* text) { return WallTime(std::chrono::seconds(std::stoll(text))); }

template <class Verifier>
void run(Verifier& verifier, const Keys& keys, std::string_view message) {
  verifier.receive(message);
  verifier.receive_end();
  while (true) {
    const auto event = verifier.next_event();
    const auto* need = std::get_if<NeedKey>(&event);
    if (!need) return;
    auto answer = dns::Answer::none(dns::AnswerStatus::no_such_name, need->question.name);
    if (const auto found = keys.find(need->question.name.text()); found != keys.end()) {
      answer.status = dns::AnswerStatus::found;
      answer.records.emplace_back(dns::Txt{dkim::txt_strings(found->second)});
    }
    verifier.decide(need->id, answer);
  }
}

int verify(Arguments arguments) {
  const auto keys = read_keys(arguments[1]);
  for (const char* path : arguments.subspan(2)) {
    dkim::Verifier verifier({}, time_of(arguments[0]));
    run(verifier, keys, read_file(path));
    std::string line;
    for (const auto& result : verifier.results()) {
      line += (line.empty() ? "" : "\t") + std::string(to_string(result.outcome)) + (result.reason.empty() ? "" : ": " + result.reason);
    }
    std::puts(line.c_str());
  }
  return 0;
}

arc::Chain chain_of(const char* time, const Keys& keys, std::string_view message) {
  arc::Verifier verifier({}, time_of(time));
  run(verifier, keys, message);
  return verifier.chain();
}

int arc_verify(Arguments arguments) {
  const auto keys = read_keys(arguments[1]);
  for (const char* path : arguments.subspan(2)) {
    const auto chain = chain_of(arguments[0], keys, read_file(path));
    std::puts((std::string(to_string(chain.status)) + (chain.reason.empty() ? "" : ": " + chain.reason)).c_str());
  }
  return 0;
}

dkim::SigningKey signing_key(Arguments arguments) {
  return {arguments[2], arguments[3], crypto::PrivateKey::from_pem(read_file(arguments[1])).value()};
}

dkim::Canonicalization form(std::string_view name) {
  return name == "relaxed" ? dkim::Canonicalization::relaxed : dkim::Canonicalization::simple;
}

int sign(Arguments arguments) {
  const std::string_view forms = arguments[4];
  dkim::SignerOptions options;
  options.keys.push_back(signing_key(arguments));
  options.header = form(forms.substr(0, forms.find('/')));
  options.body = form(forms.substr(forms.find('/') + 1));
  for (const char* path : arguments.subspan(5)) {
    const std::string message = read_file(path);
    dkim::Signer signer(options);
    signer.receive(message);
    write_file(std::string(path) + ".signed", signer.receive_end(time_of(arguments[0])).value() + message);
  }
  return 0;
}

int arc_seal(Arguments arguments) {
  arc::SealerOptions options{.key = signing_key(arguments)};
  const auto keys = read_keys(arguments[4]);
  for (const char* path : arguments.subspan(5)) {
    const std::string message = read_file(path);
    const auto chain = chain_of(arguments[0], keys, message);
    AuthenticationResults results{arguments[2], {arc::method_result(chain)}, 1, 0};
    arc::Sealer sealer(options);
    sealer.receive(message);
    write_file(std::string(path) + ".sealed", sealer.receive_end(chain.status, results, time_of(arguments[0])).value() + message);
  }
  return 0;
}

}  // namespace

int main(int count, char** words) {
  const Arguments arguments(words + std::min(count, 2), words + count);
  const std::string_view command = count > 1 ? words[1] : "";
  if (command == "verify" && arguments.size() >= 2) return verify(arguments);
  if (command == "arc-verify" && arguments.size() >= 2) return arc_verify(arguments);
  if (command == "sign" && arguments.size() >= 5) return sign(arguments);
  if (command == "arc-seal" && arguments.size() >= 5) return arc_seal(arguments);
  std::fputs("dkim_tool verify|arc-verify|sign|arc-seal ...\n", stderr);
  return 2;
}
