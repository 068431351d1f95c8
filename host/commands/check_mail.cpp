// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "commands/check_mail.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <vector>

#include "base/format.hpp"
#include "commands/names.hpp"
#include "config/config.hpp"
#include "json/value.hpp"
#include "keystonemail/mailauth/arc/verifier.hpp"
#include "keystonemail/mailauth/authentication_results.hpp"
#include "keystonemail/mailauth/dkim/method_results.hpp"
#include "keystonemail/mailauth/dmarc/author.hpp"
#include "keystonemail/mailauth/dmarc/method_result.hpp"
#include "keystonemail/mailauth/iprev/evaluation.hpp"
#include "keystonemail/mailauth/iprev/method_result.hpp"
#include "keystonemail/mailauth/spf/method_result.hpp"
#include "keystonemail/mime/header.hpp"
#include "keystonemail/mime/limits.hpp"
#include "server/outgoing.hpp"

namespace keystonemail::host {
namespace {

constexpr int no_verdict_status = 1;
constexpr int usage_status = 2;
constexpr std::size_t message_piece_octets = 64U << 10;
constexpr std::size_t signatures_max = 100;  // who asks wants to know of each; the server verifies ten (attack D7)

std::string own_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 && name[0] != '\0' ? name.data() : "localhost";
}

// What is printed: the field, lines for people below it, and the same as data.
struct Report {
  mailauth::AuthenticationResults results;
  std::vector<std::string> lines;
  json::Object data;

  void print(Output output) {
    std::string field = mailauth::format_authentication_results(results);
    std::erase(field, '\r');
    if (output == Output::json) {
      data["authentication_results"] = field;
      std::printf("%s\n", json::serialise(json::Value(std::move(data))).c_str());
      return;
    }
    std::fputs(field.c_str(), stdout);
    for (const auto& line : lines) std::printf("%s\n", line.c_str());
  }
};

json::Value json_of(const mailauth::MethodResult& result) {
  json::Object properties;
  for (const auto& property : result.properties) properties[property.type + "." + property.name] = property.value;
  json::Object out{{"result", result.result}, {"properties", std::move(properties)}};
  if (!result.comment.empty()) out["comment"] = result.comment;
  if (!result.reason.empty()) out["reason"] = result.reason;
  return out;
}

std::string_view without_brackets(std::string_view path) {
  return path.starts_with('<') && path.ends_with('>') ? path.substr(1, path.size() - 2) : path;
}

void report_iprev(Report& report, const IpAddress& client, Names& names, const MailCheck& request) {
  mailauth::iprev::Evaluation evaluation(client, {}, names.now());
  names.evaluate(evaluation);
  const auto& verdict = evaluation.verdict();
  auto result = mailauth::iprev::method_result(verdict);
  report.data["iprev"] = json_of(result);
  report.results.results.push_back(std::move(result));
  if (!request.verbose) return;
  const std::string name = verdict.name.is_root() ? "no name is known" : "its name is " + verdict.name.text();
  report.lines.push_back(format("IPREV-Step: {}: {}: {}", client.to_string(), name, to_string(verdict.outcome)));
}

mailauth::spf::Verdict judge_spf(mailauth::spf::Identity identity, const MailCheck& request, const IpAddress& client, const std::string& receiver,
                                 Names& names) {
  mailauth::spf::Input input{.identity = identity, .client = client, .helo = request.helo, .mail_from = std::string(without_brackets(request.from)),
                             .receiver = receiver, .now = names.wall_now()};
  mailauth::spf::Evaluation evaluation(std::move(input), {.trace = mailauth::spf::Trace::yes}, names.now());
  names.evaluate(evaluation);
  return evaluation.verdict();
}

void report_spf(Report& report, const mailauth::spf::Verdict& verdict, const MailCheck& request) {
  auto result = mailauth::spf::method_result(verdict);
  json::Value value = json_of(result);
  auto& data = std::get<json::Object>(value);
  data["domain"] = verdict.domain;
  data["mechanism"] = verdict.mechanism;
  data["lookups"] = static_cast<std::int64_t>(verdict.lookups);
  data["void_lookups"] = static_cast<std::int64_t>(verdict.void_lookups);
  report.results.results.push_back(std::move(result));
  if (!verdict.explanation.empty()) {
    data["explanation"] = verdict.explanation;
    report.lines.push_back("SPF-Explanation: " + verdict.explanation);
  }
  if (request.verbose) {
    json::Array steps;
    for (const auto& step : verdict.steps) {
      steps.emplace_back(json::Object{{"depth", static_cast<std::int64_t>(step.depth)}, {"text", step.text}});
      report.lines.push_back("SPF-Step: " + std::string(step.depth * 2, ' ') + step.text);
    }
    data["steps"] = std::move(steps);
  }
  report.data["spf"] = std::move(value);
}

// A second opinion, where there is a sender: of the name in HELO, if its owner says anything.
void report_helo(Report& report, const mailauth::spf::Verdict& verdict) {
  if (verdict.outcome == mailauth::spf::Outcome::none) return;
  auto result = mailauth::spf::method_result(verdict);
  report.data["spf_helo"] = json_of(result);
  report.results.results.push_back(std::move(result));
}

// A file, or standard input.
class MessageFile {
 public:
  explicit MessageFile(const std::string& name) {
    if (name == "-") return;
    file_.open(name, std::ios::binary);
    in_ = std::filesystem::is_directory(name) ? nullptr : &file_;
  }
  [[nodiscard]] bool is_open() const { return in_ && *in_; }

  // Hands it on in pieces, lines ended as on the wire: files and pipes have bare line feeds. False: it could not be read to its end.
  template <class Take>
  [[nodiscard]] bool read(Take take) {
    std::string raw(message_piece_octets, '\0'), wire;
    char last = '\0';
    while (*in_) {
      in_->read(raw.data(), message_piece_octets);
      wire.clear();
      for (const char c : std::string_view(raw).substr(0, static_cast<std::size_t>(in_->gcount()))) {
        if (c == '\n' && last != '\r') wire += '\r';
        wire += last = c;
      }
      if (!wire.empty()) take(std::string_view(wire));
    }
    return !in_->bad();
  }

 private:
  std::ifstream file_;
  std::istream* in_ = &std::cin;
};

// What is looked at in one pass: nothing is kept but the header.
struct Message {
  explicit Message(WallTime now) : dkim(dkim_options(), now), arc({}, now) {}
  static mailauth::dkim::VerifierOptions dkim_options() {
    mailauth::dkim::VerifierOptions options;
    options.signatures_max = signatures_max;
    return options;
  }
  void receive(std::string_view piece, Names& names) {
    if (dkim.wants_input()) dkim.receive(piece);
    if (arc.wants_input()) arc.receive(piece);
    names.answer_keys(dkim);
    names.answer_keys(arc);
    if (header_ended) return;
    const auto end = finder.find(piece);
    header_ended = end.has_value();
    header += piece.substr(0, std::min(end.value_or(piece.size()), mime::limits::header_octets_max - header.size()));
  }
  void receive_end(Names& names) {
    dkim.receive_end();
    arc.receive_end();
    names.answer_keys(dkim);
    names.answer_keys(arc);
  }

  mailauth::dkim::Verifier dkim;
  mailauth::arc::Verifier arc;
  std::string header;

 private:
  mime::HeaderEndFinder finder;
  bool header_ended = false;
};

using Signatures = std::vector<mailauth::dkim::SignatureResult>;

void report_dkim(Report& report, const Signatures& signatures, const MailCheck& request) {
  json::Array data;
  for (auto& result : mailauth::dkim::method_results(signatures)) {
    data.push_back(json_of(result));
    report.results.results.push_back(std::move(result));
  }
  report.data["dkim"] = std::move(data);
  if (!request.verbose) return;
  for (const auto& signature : signatures) {
    report.lines.push_back(format("DKIM-Step: d={} s={} a={}: {}", signature.domain, signature.selector, signature.algorithm,
                                  signature.reason.empty() ? "the signature holds" : signature.reason));
  }
}

void report_arc(Report& report, const mailauth::arc::Chain& chain) {
  auto result = mailauth::arc::method_result(chain);
  report.data["arc"] = json_of(result);
  report.results.results.push_back(std::move(result));
}

std::vector<mailauth::dmarc::Identifier> identifiers_of(const mailauth::spf::Verdict& spf, const Signatures& signatures) {
  using mailauth::dmarc::Method, mailauth::dmarc::Standing;
  std::vector<mailauth::dmarc::Identifier> out;
  if (spf.outcome == mailauth::spf::Outcome::pass) out.push_back({Method::spf, Standing::pass, spf.domain});
  if (spf.outcome == mailauth::spf::Outcome::temperror) out.push_back({Method::spf, Standing::temporary, spf.domain});
  for (const auto& signature : signatures) {
    const bool is_unknown = signature.outcome == mailauth::dkim::Outcome::temperror;
    if (is_unknown || (signature.usable() && !signature.testing)) {
      out.push_back({Method::dkim, is_unknown ? Standing::temporary : Standing::pass, signature.domain});
    }
  }
  return out;
}

void report_dmarc(Report& report, std::string_view header, std::vector<mailauth::dmarc::Identifier> identifiers, Names& names, const MailCheck& request) {
  const auto author = mailauth::dmarc::find_author(header);
  if (!author) {
    auto result = mailauth::dmarc::method_result(author.error());
    report.data["dmarc"] = json_of(result);
    report.results.results.push_back(std::move(result));
    return;
  }
  mailauth::dmarc::Evaluation evaluation({.author = author->domain, .identifiers = std::move(identifiers)}, {}, names.now());
  names.evaluate(evaluation);
  const auto& verdict = evaluation.verdict();
  auto result = mailauth::dmarc::method_result(verdict);
  json::Value value = json_of(result);
  std::get<json::Object>(value)["disposition"] = std::string(to_string(verdict.disposition));
  report.data["dmarc"] = std::move(value);
  report.results.results.push_back(std::move(result));
  if (!request.verbose) return;
  const std::string found = verdict.record ? "policy of " + verdict.policy_domain.text() + ": " + std::string(to_string(verdict.policy))
                                           : "no policy was found";
  report.lines.push_back("DMARC-Step: " + found);
  for (const auto& [identifier, is_aligned] : verdict.identifiers) {
    report.lines.push_back(format("DMARC-Step: {} {}: {}", identifier.method == mailauth::dmarc::Method::spf ? "spf" : "dkim", identifier.domain,
                                  is_aligned ? "aligned" : "not aligned"));
  }
  report.lines.push_back("DMARC-Step: what is asked for: " + std::string(to_string(verdict.disposition)));
}

// The parts that both commands begin with.
struct Prepared {
  IpAddress client;
  std::string own_name;
  std::unique_ptr<Names> names;
};
std::optional<Prepared> prepare(const MailCheck& request, Output output, int& status) {
  const auto client = IpAddress::parse(request.client);
  if (!client) {
    status = report_error(output, request.client + " is no IP address", usage_status);
    return std::nullopt;
  }
  const auto reading = read_config_file(request.config);
  const bool is_configured = reading && reading->errors.empty();
  auto names = Names::open(request.resolver, is_configured ? resolver_options(reading->config.resolver) : unbound::Options());
  if (!names) {
    status = report_error(output, names.error().text(), names.error().kind() == ErrorKind::invalid ? usage_status : no_verdict_status);
    return std::nullopt;
  }
  return Prepared{*client, is_configured ? reading->config.hostname : own_name(), *std::move(names)};
}

}  // namespace

int run_check_spf(const MailCheck& request, Output output) {
  int status = 0;
  const auto prepared = prepare(request, output, status);
  if (!prepared) return status;
  Report report;
  report.results.authserv_id = prepared->own_name;
  report_spf(report, judge_spf(mailauth::spf::Identity::mail_from, request, prepared->client, prepared->own_name, *prepared->names), request);
  report.print(output);
  return 0;
}

// The results stand in the order of the server's (service/authentication/checks.cpp).
int run_check_message(const MailCheck& request, Output output) {
  const std::string unreadable = request.file + " cannot be read";
  MessageFile file(request.file);
  if (!file.is_open()) return report_error(output, unreadable, no_verdict_status);
  int status = 0;
  const auto prepared = prepare(request, output, status);
  if (!prepared) return status;
  const auto& [client, receiver, opened] = *prepared;
  Names& names = *opened;
  Message message(names.wall_now());
  if (!file.read([&](std::string_view piece) { message.receive(piece, names); })) return report_error(output, unreadable, no_verdict_status);
  message.receive_end(names);
  Report report;
  report.results.authserv_id = receiver;
  report_iprev(report, client, names, request);
  using mailauth::spf::Identity;
  const auto spf = judge_spf(Identity::mail_from, request, client, receiver, names);
  report_spf(report, spf, request);
  if (spf.identity == Identity::mail_from) report_helo(report, judge_spf(Identity::helo, request, client, receiver, names));
  report_dkim(report, message.dkim.results(), request);
  report_arc(report, message.arc.chain());
  report_dmarc(report, message.header, identifiers_of(spf, message.dkim.results()), names, request);
  report.print(output);
  return 0;
}

}  // namespace keystonemail::host
