// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <algorithm>

#include "keystonemail/resolver/resolver.hpp"

namespace keystonemail::resolver {
namespace {

std::size_t text_octets(const dns::Answer& answer) {
  std::size_t total = 0;
  for (const auto& record : answer.records) {
    const auto* text = std::get_if<dns::Txt>(&record);
    if (text == nullptr) continue;
    for (const auto& piece : text->strings) total += piece.size();
  }
  return total;
}

}  // namespace

dns::Answer limit_answer(dns::Answer answer) {
  auto& records = answer.records;
  if (!records.empty() && std::holds_alternative<dns::Mx>(records.front())) {
    if (records.size() <= limits::mail_exchangers_max) return answer;
    std::ranges::sort(records, {}, [](const auto& record) { return std::get<dns::Mx>(record).preference; });
    records.resize(limits::mail_exchangers_max);
    return answer;
  }
  if (records.size() > limits::records_max || text_octets(answer) > limits::text_octets_max) {
    return dns::Answer::none(dns::AnswerStatus::malformed, std::move(answer.canonical_name));
  }
  return answer;
}

}  // namespace keystonemail::resolver
