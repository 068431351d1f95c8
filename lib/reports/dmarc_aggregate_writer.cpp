// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <cassert>

#include "keystonemail/reports/dmarc_aggregate.hpp"
#include "reports/plain.hpp"
#include "xml/writer.hpp"

namespace keystonemail::reports {
namespace {

constexpr std::string_view namespace_9990 = "urn:ietf:params:xml:ns:dmarc-2.0";

// In the order of the schemas; RFC 7489 has sequences where RFC 9990 takes any order.
class AggregateWriter {
 public:
  AggregateWriter(const AggregateReport& report, AggregateSchema schema) : report_(report), is_new_(schema == AggregateSchema::rfc9990) {}

  std::string write() {
    xml_.open("feedback", is_new_ ? namespace_9990 : std::string_view());
    xml_.element("version", "1.0");
    metadata();
    published();
    for (const AggregateRecord& one : report_.records) record(one);
    return xml_.close().take();
  }

 private:
  void optional(std::string_view name, const std::string& text) {
    if (!text.empty()) xml_.element(name, text);
  }

  void metadata() {
    xml_.open("report_metadata");
    xml_.element("org_name", report_.organization);
    xml_.element("email", report_.email);
    optional("extra_contact_info", report_.extra_contact);
    xml_.element("report_id", report_.report_id);
    xml_.open("date_range").element("begin", seconds_of(report_.begin)).element("end", seconds_of(report_.end)).close();
    for (const std::string& error : report_.errors) xml_.element("error", error);
    if (is_new_) optional("generator", report_.generator);
    xml_.close();
  }

  void published() {
    const PublishedPolicy& policy = report_.published;
    xml_.open("policy_published");
    xml_.element("domain", policy.domain);
    if (is_new_) optional("discovery_method", policy.discovery_method);
    optional("adkim", policy.dkim_alignment);
    optional("aspf", policy.spf_alignment);
    xml_.element("p", policy.policy);
    optional("sp", policy.subdomain_policy);
    if (is_new_) optional("np", policy.missing_policy);
    else xml_.element("pct", policy.percent.value_or(100));
    optional("fo", policy.failure_options);
    if (is_new_) optional("testing", policy.testing);
    xml_.close();
  }

  void record(const AggregateRecord& record) {
    xml_.open("record");
    row(record);
    xml_.open("identifiers");
    optional("envelope_to", record.envelope_to);
    xml_.element("envelope_from", record.envelope_from);
    xml_.element("header_from", record.header_from);
    xml_.close();
    xml_.open("auth_results");
    for (const DkimResult& one : record.dkim) {
      xml_.open("dkim").element("domain", one.domain).element("selector", one.selector).element("result", one.result);
      optional("human_result", one.human_result);
      xml_.close();
    }
    for (const SpfResult& one : record.spf) {
      xml_.open("spf").element("domain", one.domain);
      optional("scope", one.scope);
      xml_.element("result", one.result);
      if (is_new_) optional("human_result", one.human_result);
      xml_.close();
    }
    xml_.close().close();
  }

  void row(const AggregateRecord& record) {
    xml_.open("row");
    xml_.element("source_ip", record.source.to_string());
    xml_.element("count", record.count);
    xml_.open("policy_evaluated");
    // RFC 7489 has no word for a message that no policy had to be applied to.
    xml_.element("disposition", !is_new_ && record.disposition == "pass" ? "none" : record.disposition);
    xml_.element("dkim", record.dkim_aligned ? "pass" : "fail");
    xml_.element("spf", record.spf_aligned ? "pass" : "fail");
    for (const OverrideReason& reason : record.reasons) {
      xml_.open("reason").element("type", reason.type);
      optional("comment", reason.comment);
      xml_.close();
    }
    xml_.close().close();
  }

  const AggregateReport& report_;
  const bool is_new_;
  xml::Writer xml_;
};

}  // namespace

std::string write_aggregate(const AggregateReport& report, AggregateSchema schema) {
  assert(!report.records.empty());
  return AggregateWriter(report, schema).write();
}

}  // namespace keystonemail::reports
