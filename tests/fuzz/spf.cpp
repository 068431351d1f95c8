// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// Whatever records say, an evaluation ends within its number of questions, and its words are printable.
// The input is lines: the sender, then the TXT records that its questions meet one after the other, from the first again.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "keystonemail/mailauth/spf/evaluation.hpp"

using namespace keystonemail;
using namespace keystonemail::mailauth::spf;

namespace {

bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; });
}

class Names {
 public:
  explicit Names(std::vector<std::string> texts) : texts_(std::move(texts)) {}

  dns::Answer answer(const dns::Question& question) {
    using namespace dns;
    Answer out = Answer::none(AnswerStatus::found, question.name);
    const std::size_t turn = asked_++;
    if (question.type == RecordType::txt && !texts_.empty()) out.records.emplace_back(Txt{{texts_[turn % texts_.size()]}});
    if (question.type == RecordType::mx) out.records.assign(turn % 12, Mx{1, question.name});
    if (question.type == RecordType::ptr) out.records.assign(turn % 12, Ptr{*Name::parse("host.example.com")});
    if (question.type == RecordType::a && turn % 3 != 0) out.records.emplace_back(A{IpAddress::v4({192, 0, 2, static_cast<std::uint8_t>(turn)})});
    if (out.records.empty()) out.status = AnswerStatus::no_data;
    return out;
  }
  [[nodiscard]] std::size_t asked() const { return asked_; }

 private:
  std::vector<std::string> texts_;
  std::size_t asked_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> lines;
  for (; !rest.empty() && lines.size() < 8; rest.remove_prefix(std::min(rest.find('\n'), rest.size() - 1) + 1)) lines.emplace_back(rest.substr(0, rest.find('\n')));
  if (lines.empty()) return 0;
  Input input{.client = IpAddress::v4({192, 0, 2, 3}), .helo = lines[0], .mail_from = lines[0]};
  lines.erase(lines.begin());
  Names names(std::move(lines));
  Evaluation evaluation(input, {.trace = Trace::yes}, Instant());
  for (;;) {
    const auto event = evaluation.next_event();
    const auto* needed = std::get_if<NeedAnswer>(&event);
    if (needed == nullptr) break;
    if (names.asked() > 10 * 11 + 2 + 11) __builtin_trap();
    evaluation.decide(names.answer(needed->question), Instant());
  }
  const auto& verdict = evaluation.verdict();
  if (verdict.explanation.size() > limits::explanation_octets_max || !is_printable(verdict.explanation)) __builtin_trap();
  if (!is_printable(verdict.problem) || !is_printable(verdict.mechanism) || !is_printable(verdict.domain)) __builtin_trap();
  if (verdict.lookups > 10) __builtin_trap();
  return 0;
}
