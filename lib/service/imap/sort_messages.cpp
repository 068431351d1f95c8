// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/imap/sort_messages.hpp"

#include <algorithm>
#include <compare>
#include <numeric>

#include "base/try.hpp"
#include "keystonemail/codec/case_fold.hpp"

namespace keystonemail::service::imap {

namespace {

bool is_text(engine::SortField field) noexcept {
  using engine::SortField;
  return field == SortField::cc || field == SortField::from || field == SortField::subject || field == SortField::to;
}

// RFC 5256 §3: the addr-mailbox of the first address.
std::string address_key(const mime::EnvelopeAddresses& addresses) {
  if (addresses.empty()) return {};
  return codec::fold_case((*addresses.begin()).local_part.substr(0, limits::sort_text_octets_max));
}

std::string text_key(engine::SortField field, const mime::Summary& summary) {
  switch (field) {
    case engine::SortField::cc: return address_key(summary.envelope().cc);
    case engine::SortField::from: return address_key(summary.envelope().from);
    case engine::SortField::to: return address_key(summary.envelope().to);
    default: return thread_subject(summary).text;
  }
}

std::int64_t number_key(engine::SortField field, const MessageRow& row, const mime::Summary& summary) {
  switch (field) {
    case engine::SortField::arrival: return row.received.time_since_epoch().count();
    case engine::SortField::date: return sent_date(row, summary).time_since_epoch().count();
    default: return static_cast<std::int64_t>(row.octets);
  }
}

// The keys of all messages, one row of `width` each; what a criterion does not need is not there.
class SortTable {
 public:
  explicit SortTable(std::span<const engine::SortCriterion> criteria) {
    for (const auto& criterion : criteria) {  // one given again orders nothing more
      if (std::ranges::find(criteria_, criterion.field, &engine::SortCriterion::field) == criteria_.end()) criteria_.push_back(criterion);
    }
    for (const auto& criterion : criteria_) ++(is_text(criterion.field) ? texts_wide_ : numbers_wide_);
  }

  [[nodiscard]] bool needs_summaries() const noexcept {
    return std::ranges::any_of(criteria_, [](const auto& criterion) {
      return is_text(criterion.field) || criterion.field == engine::SortField::date;
    });
  }

  Result<void> add(const MessageRow& row, const mime::Summary& summary) {
    octets_ += sizeof(std::uint32_t) + texts_wide_ * sizeof(std::string) + numbers_wide_ * sizeof(std::int64_t);
    for (const auto& criterion : criteria_) {
      if (!is_text(criterion.field)) {
        numbers_.push_back(number_key(criterion.field, row, summary));
        continue;
      }
      octets_ += texts_.emplace_back(text_key(criterion.field, summary)).capacity();
    }
    if (octets_ > limits::sort_octets_max) return fail(ErrorKind::too_large, "too many messages to sort");
    return {};
  }

  [[nodiscard]] bool before(std::uint32_t a, std::uint32_t b) const noexcept {
    std::size_t text = 0, number = 0;
    for (const auto& criterion : criteria_) {
      std::strong_ordering order = std::strong_ordering::equal;
      if (is_text(criterion.field)) {
        order = texts_[a * texts_wide_ + text] <=> texts_[b * texts_wide_ + text];
        ++text;
      } else {
        order = numbers_[a * numbers_wide_ + number] <=> numbers_[b * numbers_wide_ + number];
        ++number;
      }
      if (order != std::strong_ordering::equal) return criterion.reverse ? order > 0 : order < 0;
    }
    return a < b;
  }

 private:
  std::vector<engine::SortCriterion> criteria_;
  std::size_t texts_wide_ = 0, numbers_wide_ = 0, octets_ = 0;
  std::vector<std::string> texts_;
  std::vector<std::int64_t> numbers_;
};

}  // namespace

Task<Result<std::vector<std::uint32_t>>> sort_messages(MailStore& store, AccountId account, const MailboxView& view,
                                                       std::span<const Sequence> sequences,
                                                       std::span<const engine::SortCriterion> criteria, const Pause& pause,
                                                       Context context) {
  SortTable table(criteria);
  std::vector<std::uint32_t> places;  // in `sequences`, of each row of the table
  MessageVisitor visit = [&](Sequence sequence, const MessageRow& row, const mime::Summary& summary) {
    places.push_back(static_cast<std::uint32_t>(std::ranges::lower_bound(sequences, sequence) - sequences.begin()));
    return table.add(row, summary);
  };
  const Facts facts = table.needs_summaries() ? Facts::summaries : Facts::rows;
  KM_CO_CHECK(co_await visit_messages(store, account, view, sequences, facts, std::move(visit), pause, context));
  std::vector<std::uint32_t> order(places.size());
  std::iota(order.begin(), order.end(), 0U);
  const auto before = [&table](std::uint32_t a, std::uint32_t b) { return table.before(a, b); };
  KM_CO_CHECK(co_await sort_gently(order, before, pause));
  for (std::uint32_t& place : order) place = places[place];
  co_return order;
}

}  // namespace keystonemail::service::imap
