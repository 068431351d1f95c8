// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Evaluation::State: the steps of DMARC, with a question to the outside for each name.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <vector>

#include "keystonemail/base/task.hpp"
#include "keystonemail/mailauth/dmarc/evaluation.hpp"
#include "mailauth/dialogue.hpp"

namespace keystonemail::mailauth::dmarc {

class Evaluation::State {
 public:
  State(Input input, Options options, Instant now);
  ~State() { dialogue_.expire(); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  void start() { task_.emplace(run()); }
  [[nodiscard]] Dialogue& dialogue() noexcept { return dialogue_; }
  [[nodiscard]] const Verdict& verdict() const noexcept { return verdict_; }

 private:
  // What a name says about itself.
  struct Lookup {
    std::optional<Record> record;
    bool is_temporary = false;
    bool is_spoilt = false;         // there are several, or one that says nothing
  };
  struct Found {
    dns::Name name;
    Record record;
  };
  struct Walk {
    std::vector<Found> found;   // from the name upwards
    bool is_temporary = false;  // a name on the way could not be asked
    bool is_cut_at_suffix = false;  // or only a public suffix of the list
  };
  struct Organization {
    dns::Name name;
    bool is_temporary = false;
  };
  enum class Aligned : std::uint8_t { no, yes, unknown };

  Task<void> run();
  Task<bool> find_policy_by_walk();  // whether there is one
  Task<bool> find_policy_by_list();
  Task<void> choose_policy();
  Task<void> align();
  Task<Aligned> alignment_of(dns::Name domain, Alignment mode);
  Task<Organization> organization_of(dns::Name name);
  Task<Walk> walk(dns::Name start);
  Task<Lookup> look_up(dns::Name name);
  bool fail_temporarily();
  void apply();

  [[nodiscard]] static dns::Name select_organization(const dns::Name& start, std::span<const Found> found);

  const Input input_;
  const Options options_;
  Dialogue dialogue_;
  std::map<dns::Name, Lookup> known_;  // so that walks that meet ask once
  Verdict verdict_;
  bool is_uncertain_ = false;          // whether it fails, for want of an answer that does not keep it from passing
  std::optional<Task<void>> task_;
};

}  // namespace keystonemail::mailauth::dmarc
