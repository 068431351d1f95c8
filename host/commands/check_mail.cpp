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
#include <iterator>
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
#include "keystonemail/mailauth/spf/method_result.hpp"
#include "keystonemail/mime/header.hpp"
#include "server/outgoing.hpp"

namespace keystonemail::host {
namespace {

constexpr int no_verdict_status = 1;
constexpr int usage_status = 2;
constexpr std::size_t message_octets_max = 256U << 20;
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

mailauth::spf::Verdict judge_spf(const MailCheck& request, const IpAddress& client, const std::string& receiver, Names& names) {
  mailauth::spf::Input input{.client = client, .helo = request.helo, .mail_from = std::string(without_brackets(request.from)),
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

std::optional<std::string> read_message(const std::string& file) {
  std::string out;
  if (file == "-") {
    out.assign(std::istreambuf_iterator<char>(std::cin), {});
  } else {
    std::ifstream in(file, std::ios::binary);
    if (!in || std::filesystem::is_directory(file)) return std::nullopt;
    out.assign(std::istreambuf_iterator<char>(in), {});
  }
  return out.size() <= message_octets_max ? std::optional(std::move(out)) : std::nullopt;
}

// Lines end as they do on the wire: files and pipes have bare line feeds.
std::string with_wire_lines(std::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 32);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) out += '\r';
    out += text[i];
  }
  return out;
}

template <class Verifier>
void run_verifier(Verifier& verifier, std::string_view message, Names& names) {
  verifier.receive(message);
  names.answer_keys(verifier);
  verifier.receive_end();
  names.answer_keys(verifier);
}

using Signatures = std::vector<mailauth::dkim::SignatureResult>;

Signatures report_dkim(Report& report, std::string_view message, Names& names, const MailCheck& request) {
  mailauth::dkim::VerifierOptions options;
  options.signatures_max = signatures_max;
  mailauth::dkim::Verifier verifier(options, names.wall_now());
  run_verifier(verifier, message, names);
  json::Array data;
  for (auto& result : mailauth::dkim::method_results(verifier.results())) {
    data.push_back(json_of(result));
    report.results.results.push_back(std::move(result));
  }
  report.data["dkim"] = std::move(data);
  if (request.verbose) {
    for (const auto& signature : verifier.results()) {
      report.lines.push_back(format("DKIM-Step: d={} s={} a={}: {}", signature.domain, signature.selector, signature.algorithm,
                                    signature.reason.empty() ? "the signature holds" : signature.reason));
    }
  }
  return verifier.results();
}

void report_arc(Report& report, std::string_view message, Names& names) {
  mailauth::arc::Verifier verifier({}, names.wall_now());
  run_verifier(verifier, message, names);
  auto result = mailauth::arc::method_result(verifier.chain());
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
    mailauth::MethodResult result{.method = "dmarc", .result = "permerror", .comment = std::string(to_string(author.error()))};
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
  report_spf(report, judge_spf(request, prepared->client, prepared->own_name, *prepared->names), request);
  report.print(output);
  return 0;
}

int run_check_message(const MailCheck& request, Output output) {
  const auto read = read_message(request.file);
  if (!read) return report_error(output, request.file + " cannot be read, or is too large", no_verdict_status);
  int status = 0;
  const auto prepared = prepare(request, output, status);
  if (!prepared) return status;
  Names& names = *prepared->names;
  const std::string message = with_wire_lines(*read);
  Report report;
  report.results.authserv_id = prepared->own_name;
  const auto spf = judge_spf(request, prepared->client, prepared->own_name, names);
  report_spf(report, spf, request);
  const auto signatures = report_dkim(report, message, names, request);
  const std::string_view header = std::string_view(message).substr(0, mime::header_octets(message));
  report_dmarc(report, header, identifiers_of(spf, signatures), names, request);
  report_arc(report, message, names);
  report.print(output);
  return 0;
}

}  // namespace keystonemail::host
