// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Evaluation::State: check_host() as it is written in RFC 7208, with a question to the outside wherever it says "lookup".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "keystonemail/base/task.hpp"
#include "keystonemail/mailauth/spf/evaluation.hpp"
#include "mailauth/dialogue.hpp"
#include "mailauth/spf/record.hpp"

namespace keystonemail::mailauth::spf {

class Evaluation::State {
 public:
  State(Input input, Options options, Instant now);
  ~State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void start();
  [[nodiscard]] Dialogue& dialogue() noexcept { return dialogue_; }
  [[nodiscard]] const Verdict& verdict() const noexcept { return verdict_; }

 private:
  enum class Match : std::uint8_t { no, yes, temperror, permerror };
  enum class Purpose : std::uint8_t { term, other };  // whether the answer counts for the limit on void lookups

  // One evaluation of a domain's record: the first, or one for an include or redirect.
  struct Frame {
    dns::Name domain;
    unsigned depth = 0;
    bool is_included = false;  // somewhere above is an include: explanations do not count (§6.2)
  };

  Task<void> run();
  Task<Outcome> check_host(Frame frame);
  Task<Outcome> evaluate(Frame frame, Record record);
  Task<Outcome> redirect(Frame frame, MacroString target);
  Task<Match> match(const Frame& frame, const Directive& directive);
  Task<Match> match_include(const Frame& frame, const Directive& directive);
  Task<Match> match_mx(dns::Name target, const Directive& directive);
  Task<Match> match_host(dns::Name target, const Directive& directive);
  Task<Match> match_exists(dns::Name target);
  Task<Match> match_ptr(dns::Name target);
  [[nodiscard]] bool match_network(const Directive& directive) const;

  Task<std::optional<dns::Name>> target_of(const Frame& frame, const Directive& directive);
  Task<std::optional<std::string>> expand_in(dns::Name domain, const MacroString& macro_string);
  Task<void> find_validated_names();
  Task<void> explain();

  Task<dns::Answer> ask(dns::Name name, dns::RecordType type, Purpose purpose);
  [[nodiscard]] bool take_lookup();
  [[nodiscard]] bool has_too_many_voids() const noexcept { return verdict_.void_lookups > options_.void_lookups_max; }
  Match trouble(Match match, std::string problem);
  Outcome trouble(Outcome outcome, std::string problem);
  [[nodiscard]] bool is_traced() const noexcept { return options_.trace == Trace::yes; }
  void step(std::string text) { verdict_.steps.push_back({depth_, std::move(text)}); }  // when is_traced()
  [[nodiscard]] static std::string_view word_for(Match match, Outcome on_match) noexcept;
  [[nodiscard]] dns::RecordType address_type() const noexcept;
  [[nodiscard]] bool holds_client(const dns::Answer& answer, const Directive& directive) const;

  const Input input_;
  const Options options_;
  Dialogue dialogue_;
  unsigned depth_ = 0;
  MacroValues values_;
  std::optional<std::vector<dns::Name>> validated_names_;   // §5.5; none before the first use
  bool pointers_are_void_ = false;
  std::optional<MacroString> explanation_;                  // of the record that failed, and whose it was
  dns::Name explained_domain_;
  Verdict verdict_;
  std::optional<Task<void>> task_;
};

}  // namespace keystonemail::mailauth::spf
