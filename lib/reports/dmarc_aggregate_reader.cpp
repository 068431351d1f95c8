// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <algorithm>
#include <array>

#include "base/try.hpp"
#include "keystonemail/dns/name.hpp"
#include "keystonemail/reports/dmarc_aggregate.hpp"
#include "keystonemail/reports/limits.hpp"
#include "reports/plain.hpp"
#include "xml/parser.hpp"

namespace keystonemail::reports {
namespace {

constexpr std::uint64_t second_max = 253'402'300'799;  // the end of year 9999

WallTime time_of(std::string_view seconds) {
  return WallTime(std::chrono::seconds(static_cast<std::int64_t>(parse_decimal(trim(seconds), second_max).value_or(0))));
}

// Takes what stands in the elements it knows, by their path from the root.
class AggregateHandler final : public xml::Handler {
 public:
  void begin(std::string_view name) override {
    if (places_.empty()) prefix_ = name.substr(0, name.find(':') == std::string_view::npos ? 0 : name.find(':') + 1);
    places_.push_back(path_.size());
    path_ += '/';
    path_ += name.starts_with(prefix_) ? name.substr(prefix_.size()) : name;  // another prefix is an extension's
    if (path_ == "/feedback/record") record_ = {}, is_usable_ = false, has_count_ = false;
    else if (path_ == "/feedback/record/auth_results/dkim") dkim_ = {};
    else if (path_ == "/feedback/record/auth_results/spf") spf_ = {};
    else if (path_ == "/feedback/record/row/policy_evaluated/reason") reason_ = {};
    is_report_ = is_report_ || path_ == "/feedback";
  }
  void end(std::string_view, std::string_view text) override {
    if (const Taker* taker = find_taker(path_)) taker->take(*this, text);
    path_.resize(places_.back());
    places_.pop_back();
  }

  [[nodiscard]] Result<AggregateReport> take() {
    if (!is_report_) return fail(ErrorKind::invalid, "the document is no DMARC report");
    if (!dns::Name::from_domain(report_.published.domain)) return fail(ErrorKind::invalid, "the DMARC report names no domain");
    const bool has_time = report_.begin > WallTime{} && report_.begin <= report_.end;
    if (!has_time) return fail(ErrorKind::invalid, "the DMARC report names no time");
    return std::move(report_);
  }

 private:
  struct Taker {
    std::string_view path;
    void (*take)(AggregateHandler& h, std::string_view text);
  };
  using H = AggregateHandler;
  using T = std::string_view;
  [[nodiscard]] static const Taker* find_taker(std::string_view path) {
    static constexpr std::array takers{
        Taker{"/feedback/report_metadata/org_name", [](H& h, T t) { h.report_.organization = plain(t); }},
        Taker{"/feedback/report_metadata/email", [](H& h, T t) { h.report_.email = plain(t); }},
        Taker{"/feedback/report_metadata/extra_contact_info", [](H& h, T t) { h.report_.extra_contact = plain(t); }},
        Taker{"/feedback/report_metadata/report_id", [](H& h, T t) { h.report_.report_id = plain(t); }},
        Taker{"/feedback/report_metadata/generator", [](H& h, T t) { h.report_.generator = plain(t); }},
        Taker{"/feedback/report_metadata/date_range/begin", [](H& h, T t) { h.report_.begin = time_of(t); }},
        Taker{"/feedback/report_metadata/date_range/end", [](H& h, T t) { h.report_.end = time_of(t); }},
        Taker{"/feedback/report_metadata/error",
              [](H& h, T t) { if (h.report_.errors.size() < limits::errors_max) h.report_.errors.push_back(plain(t)); }},
        Taker{"/feedback/policy_published/domain", [](H& h, T t) { h.report_.published.domain = plain_domain(t); }},
        Taker{"/feedback/policy_published/discovery_method", [](H& h, T t) { h.report_.published.discovery_method = plain_word(t); }},
        Taker{"/feedback/policy_published/p", [](H& h, T t) { h.report_.published.policy = plain_word(t); }},
        Taker{"/feedback/policy_published/sp", [](H& h, T t) { h.report_.published.subdomain_policy = plain_word(t); }},
        Taker{"/feedback/policy_published/np", [](H& h, T t) { h.report_.published.missing_policy = plain_word(t); }},
        Taker{"/feedback/policy_published/adkim", [](H& h, T t) { h.report_.published.dkim_alignment = plain_word(t); }},
        Taker{"/feedback/policy_published/aspf", [](H& h, T t) { h.report_.published.spf_alignment = plain_word(t); }},
        Taker{"/feedback/policy_published/fo", [](H& h, T t) { h.report_.published.failure_options = plain(t); }},
        Taker{"/feedback/policy_published/testing", [](H& h, T t) { h.report_.published.testing = plain_word(t); }},
        Taker{"/feedback/policy_published/pct", [](H& h, T t) { h.take_percent(t); }},
        Taker{"/feedback/record/row/source_ip", [](H& h, T t) { h.take_source(t); }},
        Taker{"/feedback/record/row/count", [](H& h, T t) { h.take_count(t); }},
        Taker{"/feedback/record/row/policy_evaluated/disposition", [](H& h, T t) { h.record_.disposition = plain_word(t); }},
        Taker{"/feedback/record/row/policy_evaluated/dkim", [](H& h, T t) { h.record_.dkim_aligned = iequals(trim(t), "pass"); }},
        Taker{"/feedback/record/row/policy_evaluated/spf", [](H& h, T t) { h.record_.spf_aligned = iequals(trim(t), "pass"); }},
        Taker{"/feedback/record/row/policy_evaluated/reason/type", [](H& h, T t) { h.reason_.type = plain_word(t); }},
        Taker{"/feedback/record/row/policy_evaluated/reason/comment", [](H& h, T t) { h.reason_.comment = plain(t); }},
        Taker{"/feedback/record/row/policy_evaluated/reason",
              [](H& h, T) { keep(h.record_.reasons, std::move(h.reason_), limits::reasons_max); }},
        Taker{"/feedback/record/identifiers/header_from", [](H& h, T t) { h.record_.header_from = plain_domain(t); }},
        Taker{"/feedback/record/identifiers/envelope_from", [](H& h, T t) { h.record_.envelope_from = plain_domain(t); }},
        Taker{"/feedback/record/identifiers/envelope_to", [](H& h, T t) { h.record_.envelope_to = plain_domain(t); }},
        Taker{"/feedback/record/auth_results/dkim/domain", [](H& h, T t) { h.dkim_.domain = plain_domain(t); }},
        Taker{"/feedback/record/auth_results/dkim/selector", [](H& h, T t) { h.dkim_.selector = plain(t); }},
        Taker{"/feedback/record/auth_results/dkim/result", [](H& h, T t) { h.dkim_.result = plain_word(t); }},
        Taker{"/feedback/record/auth_results/dkim/human_result", [](H& h, T t) { h.dkim_.human_result = plain(t); }},
        Taker{"/feedback/record/auth_results/dkim", [](H& h, T) { keep(h.record_.dkim, std::move(h.dkim_), limits::signatures_max); }},
        Taker{"/feedback/record/auth_results/spf/domain", [](H& h, T t) { h.spf_.domain = plain_domain(t); }},
        Taker{"/feedback/record/auth_results/spf/scope", [](H& h, T t) { h.spf_.scope = plain_word(t); }},
        Taker{"/feedback/record/auth_results/spf/result", [](H& h, T t) { h.spf_.result = plain_word(t); }},
        Taker{"/feedback/record/auth_results/spf/human_result", [](H& h, T t) { h.spf_.human_result = plain(t); }},
        Taker{"/feedback/record/auth_results/spf", [](H& h, T) { keep(h.record_.spf, std::move(h.spf_), limits::signatures_max); }},
        Taker{"/feedback/record", [](H& h, T) { h.keep_record(); }}};
    const auto found = std::ranges::find(takers, path, &Taker::path);
    return found == takers.end() ? nullptr : &*found;
  }

  template <class One>
  static void keep(std::vector<One>& all, One&& one, std::size_t most) {
    if (all.size() < most) all.push_back(std::move(one));
  }
  void take_percent(std::string_view text) {
    if (const auto percent = parse_decimal(trim(text), 100)) report_.published.percent = static_cast<unsigned>(*percent);
  }
  void take_source(std::string_view text) {
    const auto address = IpAddress::parse(trim(text));
    is_usable_ = address.has_value();
    if (address) record_.source = *address;
  }
  void take_count(std::string_view text) {
    const auto count = parse_decimal(trim(text), limits::count_max);
    has_count_ = count.has_value();
    record_.count = count.value_or(0);
  }
  void keep_record() {
    if (is_usable_ && has_count_ && report_.records.size() < limits::records_max) report_.records.push_back(std::move(record_));
    else ++report_.records_ignored;
  }

  AggregateReport report_;
  AggregateRecord record_;
  DkimResult dkim_;
  SpfResult spf_;
  OverrideReason reason_;
  bool is_report_ = false, is_usable_ = false, has_count_ = false;
  std::string prefix_;
  std::string path_;
  std::vector<std::size_t> places_;  // where the names in the path begin
};

}  // namespace

Result<AggregateReport> read_aggregate(std::string_view xml) {
  AggregateHandler handler;
  KM_CHECK(xml::parse(xml, handler));
  return handler.take();
}

}  // namespace keystonemail::reports
