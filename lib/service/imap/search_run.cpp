// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "service/imap/search_run.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/case_fold.hpp"
#include "keystonemail/mime/summary.hpp"
#include "service/imap/search_text.hpp"

namespace keystonemail::service::imap {

namespace {

constexpr Sequence search_batch_messages = 1024;
constexpr std::size_t batch_steps_max = 2'000'000;  // about 10 ms
constexpr std::size_t piece_octets = 64 * 1024;
constexpr std::size_t searched_header_octets_max = 1024 * 1024;      // of one entity; what is beyond is not searched
constexpr std::uint64_t work_between_yields = 8 * 1024 * 1024;       // octets times what is looked for in them: some ms
constexpr std::uint64_t field_work = 64;                             // to read one field, whatever it holds
constexpr std::uint64_t summary_work = 4 * 1024;                     // to read one summary
constexpr std::uint64_t message_work = 128 * 1024;                   // to open one message

Tri tri(bool value) noexcept { return value ? Tri::yes : Tri::no; }

bool in_set(const std::vector<UidRange>& set, std::uint32_t number) noexcept {
  const auto after = std::ranges::upper_bound(set, number, {}, &UidRange::first);
  return after != set.begin() && number <= std::prev(after)->last;
}

Tri ask_view(const Leaf& leaf, Sequence sequence, Uid uid) noexcept {
  switch (leaf.test) {
    case Test::always: return Tri::yes;
    case Test::never: return Tri::no;
    case Test::sequence_in: return tri(in_set(leaf.set, sequence));
    case Test::uid_in: return tri(in_set(leaf.set, uid));
    default: return Tri::unknown;
  }
}

std::chrono::sys_days day_of(WallTime time) noexcept { return std::chrono::floor<std::chrono::days>(time); }

Tri ask_row(const Leaf& leaf, const MessageRow& row, WallTime now) noexcept {
  const auto milliseconds = [&] { return std::chrono::milliseconds(static_cast<std::int64_t>(leaf.number)); };
  switch (leaf.test) {
    case Test::system_keyword: return tri((row.keywords.system_bits() & leaf.number) != 0);
    case Test::deleted: return tri(row.deleted);
    case Test::keyword: return tri(row.keywords.has(static_cast<mailstore::KeywordNumber>(leaf.number)));
    case Test::received_before: return tri(day_of(row.received) < leaf.day);
    case Test::received_on: return tri(day_of(row.received) == leaf.day);
    case Test::received_since: return tri(day_of(row.received) >= leaf.day);
    case Test::saved_before: return tri(day_of(row.saved) < leaf.day);
    case Test::saved_on: return tri(day_of(row.saved) == leaf.day);
    case Test::saved_since: return tri(day_of(row.saved) >= leaf.day);
    case Test::received_within: return tri(row.received >= now - milliseconds());
    case Test::received_earlier: return tri(row.received <= now - milliseconds());
    case Test::larger: return tri(row.octets > leaf.number);
    case Test::smaller: return tri(row.octets < leaf.number);
    case Test::modified: return tri(row.modseq >= leaf.number);
    case Test::email: return tri(static_cast<std::uint64_t>(row.email) == leaf.number);
    case Test::thread: return tri(static_cast<std::uint64_t>(row.thread) == leaf.number);
    default: return ask_view(leaf, 0, row.uid);
  }
}

// What a summary has to say. Each of its texts is made ready for searching once, however many leaves ask for it.
class SummaryAnswers {
 public:
  explicit SummaryAnswers(const mime::Summary& summary) : summary_(summary), envelope_(summary.envelope()) {}

  [[nodiscard]] Tri ask(const Leaf& leaf) {
    switch (leaf.test) {
      case Test::sent_before: return sent([&](auto day) { return day < leaf.day; });
      case Test::sent_on: return sent([&](auto day) { return day == leaf.day; });
      case Test::sent_since: return sent([&](auto day) { return day >= leaf.day; });
      case Test::from: return addresses(from_, envelope_.from, leaf.needle);
      case Test::to: return addresses(to_, envelope_.to, leaf.needle);
      case Test::cc: return addresses(cc_, envelope_.cc, leaf.needle);
      case Test::bcc: return addresses(bcc_, envelope_.bcc, leaf.needle);
      case Test::subject: return text(subject_, envelope_.subject, leaf.needle);
      case Test::message_id: return text(message_id_, envelope_.message_id, leaf.needle);
      default: return Tri::unknown;
    }
  }

 private:
  using Ready = std::optional<std::string>;

  template <class Matches>
  [[nodiscard]] Tri sent(Matches matches) const {
    const auto date = summary_.date();
    return tri(date && matches(date->day()));
  }
  [[nodiscard]] static Tri text(Ready& ready, const std::optional<std::string_view>& value, std::string_view needle) {
    if (!value || needle.empty()) return tri(value.has_value());
    if (!ready) ready = searchable(*value);
    return tri(contains(*ready, needle));
  }
  [[nodiscard]] static Tri addresses(Ready& ready, const mime::EnvelopeAddresses& list, std::string_view needle) {
    if (list.empty() || needle.empty()) return tri(!list.empty());
    if (!ready) ready = searchable(list);
    return tri(contains(*ready, needle));
  }

  const mime::Summary& summary_;
  const mime::Envelope envelope_;
  Ready from_, to_, cc_, bcc_, subject_, message_id_;
};

// The name of the field that a leaf asks for.
struct FieldOfLeaf {
  const SearchProgram& program;
  std::string_view operator()(std::size_t leaf) const { return program.leaves()[leaf].field; }
};

// One run, and what it holds on the way.
class SearchRun {
 public:
  SearchRun(MailStore& store, AccountId account, const MailboxView& view, const SearchProgram& program,
            SearchOptions options, Context context)
      : store_(store), account_(account), view_(view), program_(program), options_(std::move(options)), context_(context),
        pause_(options_.pause ? options_.pause : pause_of(context)),
        work_(program), scan_(needles()), answers_(program.leaves().size(), Tri::unknown) {
    for (std::size_t i = 0; i < program.leaves().size(); ++i) {
      if (cost_of(program.leaves()[i].test) == Cost::header) field_leaves_.push_back(i);
    }
    std::ranges::sort(field_leaves_, iless, FieldOfLeaf{program});
  }

  Task<Result<SearchFound>> run() {
    const Sequence size = view_.uids.size();
    // Many terms, few messages at once: others wait for a batch, and the ceiling is looked at after one.
    const auto affordable = static_cast<Sequence>(batch_steps_max / std::max<std::size_t>(program_.leaves().size(), 1));
    const Sequence at_once = std::clamp<Sequence>(affordable, 1, search_batch_messages);
    for (Sequence first = 1; first <= size; first += at_once) {
      KM_CO_CHECK(co_await batch(first, std::min(size, first + at_once - 1)));
      if (options_.first_only && !found_.sequences.empty()) break;
      KM_CO_CHECK(co_await give_way());
    }
    co_return std::move(found_);
  }

 private:
  // A message on its way through the costs.
  struct Candidate {
    Sequence sequence;
    MessageRow row;
    std::string summary = {};
    Tri matches = Tri::unknown;
  };

  std::vector<TextScan::Needle> needles() {
    std::vector<TextScan::Needle> result;
    for (std::size_t i = 0; i < program_.leaves().size(); ++i) {
      const Leaf& leaf = program_.leaves()[i];
      if (cost_of(leaf.test) != Cost::body) continue;
      result.push_back({leaf.needle, leaf.test == Test::body ? Haystack::body : Haystack::everything});
      needle_leaves_.push_back(i);
    }
    return result;
  }

  Task<Result<void>> give_way() {
    since_yield_ = 0;
    if (work_.steps > options_.steps_max || scanned_ > limits::search_scan_octets_max) {
      co_return fail(ErrorKind::too_large, "search takes too much work");
    }
    co_return co_await pause_();
  }

  Task<Result<void>> batch(Sequence first, Sequence last) {
    std::vector<Tri> seen;
    if (!program_.tests_view()) {
      seen.assign(last - first + 1, Tri::unknown);
      co_return co_await with_rows(first, last, std::move(seen));
    }
    bool undecided = false;
    bool matches = false;
    for (const UidRange& range : view_.uids.ranges(first, last)) {
      for (Uid uid = range.first;; ++uid) {
        const auto sequence = static_cast<Sequence>(first + seen.size());
        const auto ask = [&](std::uint32_t i) { return ask_view(program_.leaves()[i], sequence, uid); };
        seen.push_back(program_.evaluate(ask, work_));
        undecided |= seen.back() == Tri::unknown;
        matches |= seen.back() == Tri::yes;
        if (uid == range.last) break;
      }
    }
    if (undecided || (matches && options_.want_modseqs)) co_return co_await with_rows(first, last, std::move(seen));
    for (std::size_t i = 0; i < seen.size(); ++i) {
      if (seen[i] == Tri::yes) found_.sequences.push_back(static_cast<Sequence>(first + i));
    }
    co_return {};
  }

  Task<Result<void>> with_rows(Sequence first, Sequence last, std::vector<Tri> seen) {
    const UidRange uids{view_.uids.uid_of(first), view_.uids.uid_of(last)};
    KM_CO_TRY(auto rows, co_await store_.messages(account_, view_.id, uids, 0, context_));
    std::vector<Candidate> candidates;
    bool undecided = false;
    for (MessageRow& row : rows) {
      const auto sequence = view_.uids.sequence_of(row.uid);
      if (!sequence) continue;
      Tri matches = seen[*sequence - first];
      if (matches == Tri::unknown) {
        const auto ask = [&](std::uint32_t i) {
          const Leaf& leaf = program_.leaves()[i];
          return leaf.test == Test::sequence_in ? ask_view(leaf, *sequence, row.uid) : ask_row(leaf, row, options_.now);
        };
        matches = program_.evaluate(ask, work_);
      }
      undecided |= matches == Tri::unknown;
      if (matches != Tri::no) candidates.push_back({*sequence, std::move(row), {}, matches});
    }
    if (undecided) KM_CO_CHECK(co_await with_summaries(candidates));
    for (const Candidate& candidate : candidates) {
      if (candidate.matches != Tri::yes) continue;
      found_.sequences.push_back(candidate.sequence);
      if (options_.want_modseqs) found_.modseqs.push_back(candidate.row.modseq);
    }
    co_return {};
  }

  Task<Result<void>> with_summaries(std::vector<Candidate>& candidates) {
    std::vector<mailstore::EmailId> emails;
    for (const Candidate& c : candidates) {
      if (c.matches == Tri::unknown) emails.push_back(c.row.email);
    }
    KM_CO_TRY(auto summaries, co_await store_.summaries(account_, emails, context_));
    auto next = summaries.begin();
    for (Candidate& candidate : candidates) {
      if (candidate.matches != Tri::unknown) continue;
      candidate.summary = std::move(*next++);
      const mime::Summary summary(candidate.summary);
      SummaryAnswers answers(summary);
      candidate.matches = evaluate(candidate, [&](const Leaf& leaf, std::uint32_t) { return answers.ask(leaf); });
      since_yield_ += summary_work + candidate.summary.size() * program_.leaves().size();
      if (since_yield_ >= work_between_yields) KM_CO_CHECK(co_await give_way());
      if (candidate.matches == Tri::unknown) KM_CO_CHECK(co_await with_message(candidate));
      if (options_.first_only && candidate.matches == Tri::yes) break;
    }
    // What a first match cut short stays unknown, and is not reported.
    co_return {};
  }

  // What one cost can tell first, then everything that is cheaper.
  template <class Ask>
  Tri evaluate(const Candidate& candidate, Ask&& dearest) {
    const auto ask = [&](std::uint32_t i) {
      const Leaf& leaf = program_.leaves()[i];
      if (leaf.test == Test::sequence_in) return ask_view(leaf, candidate.sequence, candidate.row.uid);
      return cost_of(leaf.test) <= Cost::row ? ask_row(leaf, candidate.row, options_.now) : dearest(leaf, i);
    };
    return program_.evaluate(ask, work_);
  }

  Task<Result<void>> with_message(Candidate& candidate) {
    since_yield_ += message_work;
    auto opened = co_await store_.open(account_, candidate.row.email, context_);
    if (!opened && opened.error().kind() == ErrorKind::not_found) {  // expunged meanwhile
      candidate.matches = Tri::no;
      co_return {};
    }
    if (!opened) co_return std::unexpected(opened.error());
    mailstore::MessageReader& message = **opened;
    const mime::Summary summary(candidate.summary);
    const auto parts = summary.parts();
    std::string header;
    if (!parts.empty()) {
      KM_CO_TRY(header, co_await read_header(message, parts[0]));
    }
    SummaryAnswers answers(summary);
    std::ranges::fill(answers_, Tri::unknown);
    KM_CO_CHECK(co_await look_at_fields(header));
    const auto ask = [&](const Leaf& leaf, std::uint32_t i) {
      return cost_of(leaf.test) >= Cost::header ? answers_[i] : answers.ask(leaf);
    };
    candidate.matches = evaluate(candidate, ask);
    if (candidate.matches != Tri::unknown) co_return {};
    KM_CO_CHECK(co_await scan(message, parts, header));
    for (std::size_t i = 0; i < needle_leaves_.size(); ++i) answers_[needle_leaves_[i]] = tri(scan_.needles()[i].found);
    candidate.matches = evaluate(candidate, ask);
    co_return {};
  }

  // Answers all leaves that ask for fields in one go, each value being decoded once.
  Task<Result<void>> look_at_fields(std::string_view header) {
    for (const std::size_t leaf : field_leaves_) answers_[leaf] = Tri::no;
    std::size_t missing = field_leaves_.size();
    mime::HeaderReader reader(header);
    while (missing != 0) {
      const auto field = reader.next();
      if (!field) break;
      const auto asking = std::ranges::equal_range(field_leaves_, field->name, iless, FieldOfLeaf{program_});
      since_yield_ += field_work;
      if (!asking.empty()) {
        const std::string text = searchable(field->value);
        since_yield_ += (text.size() + field_work) * asking.size();
        for (const std::size_t leaf : asking) {
          if (answers_[leaf] == Tri::yes || !contains(text, program_.leaves()[leaf].needle)) continue;
          answers_[leaf] = Tri::yes;
          --missing;
        }
      }
      if (since_yield_ >= work_between_yields) KM_CO_CHECK(co_await give_way());
    }
    co_return {};
  }

  Task<Result<std::string>> read_header(mailstore::MessageReader& message, const mime::SummaryPart& part) {
    const std::size_t octets = std::min<std::size_t>(part.header_octets(), searched_header_octets_max);
    std::string header;
    while (header.size() < octets) {
      KM_CO_TRY(const auto piece, co_await message.read(part.header_begin + header.size(), octets - header.size(), context_));
      if (piece.empty()) break;
      header.append(piece);
    }
    scanned_ += header.size();
    co_return header;
  }

  Task<Result<void>> scan(mailstore::MessageReader& message, const std::vector<mime::SummaryPart>& parts,
                          std::string_view first_header) {
    scan_.restart();
    KM_CO_CHECK(co_await scan_header(first_header));
    for (std::size_t i = 0; i < parts.size() && !scan_.done(); ++i) {
      const mime::SummaryPart& part = parts[i];
      if (i != 0 && scan_.wants_headers() && part.header_octets() != 0) {
        KM_CO_TRY(const std::string header, co_await read_header(message, part));
        KM_CO_CHECK(co_await scan_header(header));
      }
      if (part.kind == mime::PartKind::leaf && part.type == "text") KM_CO_CHECK(co_await scan_body(message, part));
    }
    co_return {};
  }

  Task<Result<void>> scan_header(std::string_view header) {
    mime::HeaderReader reader(header);
    while (scan_.wants_headers()) {
      const auto field = reader.next();
      if (!field) break;
      since_yield_ += (field->raw.size() + field_work) * scan_.missing();
      scan_.field(*field);
      if (since_yield_ >= work_between_yields) KM_CO_CHECK(co_await give_way());
    }
    co_return {};
  }

  Task<Result<void>> scan_body(mailstore::MessageReader& message, const mime::SummaryPart& part) {
    scan_.begin_body(part);
    for (std::uint64_t at = part.body_begin; at < part.body_end && !scan_.done();) {
      const std::size_t want = std::min<std::uint64_t>(piece_octets, part.body_end - at);
      KM_CO_TRY(const auto piece, co_await message.read(at, want, context_));
      if (piece.empty()) break;
      at += piece.size();
      scan_.body(piece);
      scanned_ += piece.size() * scan_.needles().size();
      since_yield_ += piece.size() * (1 + scan_.missing());
      if (since_yield_ >= work_between_yields) KM_CO_CHECK(co_await give_way());
    }
    if (!scan_.done()) scan_.end_body();
    co_return {};
  }

  MailStore& store_;
  const AccountId account_;
  const MailboxView& view_;
  const SearchProgram& program_;
  const SearchOptions options_;
  const Context context_;
  const Pause pause_;
  SearchProgram::Work work_;
  std::vector<std::size_t> needle_leaves_;   // the leaf of each needle; filled by needles()
  TextScan scan_;
  std::vector<std::size_t> field_leaves_;    // those that ask for fields, by name
  std::vector<Tri> answers_;                 // of each leaf, for the message in hand
  SearchFound found_;
  std::uint64_t scanned_ = 0;
  std::uint64_t since_yield_ = 0;
};

}  // namespace

Task<Result<SearchFound>> run_search(MailStore& store, AccountId account, const MailboxView& view,
                                     const SearchProgram& program, SearchOptions options, Context context) {
  SearchRun run(store, account, view, program, std::move(options), std::move(context));
  co_return co_await run.run();
}

}  // namespace keystonemail::service::imap
