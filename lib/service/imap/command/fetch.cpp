// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
//
// FETCH and UID FETCH (RFC 9051 §6.4.5), with CHANGEDSINCE and VANISHED (RFC 7162 §3.1.4, §3.2.6). Messages are read from
// the store in batches and written without one allocation each; between batches other sessions have their turn.
#include <algorithm>
#include <ranges>

#include "base/try.hpp"
#include "service/imap/command/commands.hpp"
#include "service/imap/command/fetch_message.hpp"
#include "service/imap/selection.hpp"
#include "service/imap/session.hpp"
#include "service/imap/special_use.hpp"

namespace keystonemail::service::imap {

namespace {

using engine::FetchAttribute;
using engine::FetchItem;

constexpr Sequence rows_at_once = 2048;
constexpr Sequence summaries_at_once = 512;
constexpr Sequence messages_at_once = 64;

// What has to be read for the items asked for.
struct Plan {
  bool uid = false, flags = false, modseq = false;
  bool only_flags = true;        // nothing but these three: the short way
  bool summary = false, parts = false, message = false, sets_seen = false;

  explicit Plan(const engine::Fetch& command) {
    for (const FetchItem& item : command.items) add(item);
    // CHANGEDSINCE asks for MODSEQ too (RFC 7162 §3.1.4.1).
    modseq = modseq || command.changed_since.has_value();
    only_flags = only_flags && flags;
  }
  [[nodiscard]] Sequence batch() const noexcept {
    return message ? messages_at_once : summary ? summaries_at_once : rows_at_once;
  }

 private:
  void add(const FetchItem& item) noexcept {
    sets_seen = sets_seen || item.sets_seen();
    switch (item.attribute) {
      case FetchAttribute::uid: uid = true; return;
      case FetchAttribute::flags: flags = true; return;
      case FetchAttribute::modseq: modseq = true; return;
      case FetchAttribute::envelope: case FetchAttribute::preview: summary = true; break;
      case FetchAttribute::body: case FetchAttribute::body_structure: summary = parts = true; break;
      case FetchAttribute::section: case FetchAttribute::binary: case FetchAttribute::binary_size:
        summary = parts = message = true;
        break;
      case FetchAttribute::internal_date: case FetchAttribute::rfc822_size: case FetchAttribute::email_id:
      case FetchAttribute::thread_id: case FetchAttribute::save_date: break;
    }
    only_flags = false;
  }
};

// A message of the batch.
struct Line {
  Sequence sequence;
  MessageRow row;
  bool newly_seen = false;
};

class Fetcher {
 public:
  Fetcher(Session& session, const engine::Fetch& command, const Selection& selection)
      : session_(session), command_(command), selection_(selection), plan_(command) {}

  Task<Reply> run() {
    Windows windows(selection_, plan_.batch());
    while (const auto window = windows.next()) {
      const auto done = co_await batch(*window);
      if (session_.lost()) co_return no({}, "");
      if (!done) {
        session_.log_error("imap.fetch.failed", done.error());
        co_return reply_for(done.error());
      }
      if (session_.output_full() && !co_await session_.flush()) co_return no({}, "");
      co_await yield(*session_.working().executor);
    }
    co_return reply();
  }

 private:
  [[nodiscard]] Reply reply() const {
    if (unknown_encoding_) return no(engine::Code::unknown_cte, "A part has an encoding that is not known");
    if (failed_) return no(engine::Code::unavailable, "Some of the messages could not be read");
    if (gone_ && command_.numbers == engine::NumberKind::sequence) {
      return no(engine::Code::expunge_issued, "Some of the messages are no more");
    }
    return ok("FETCH completed");
  }

  Task<Result<void>> batch(Windows::Window window) {
    MailboxView& view = *session_.view();
    const UidRange uids{view.uids.uid_of(window.first), view.uids.uid_of(window.last)};
    KM_CO_TRY(auto rows, co_await session_.store().messages(session_.account(), view.id, uids,
                                                            command_.changed_since.value_or(0), session_.working()));
    std::vector<Line> lines;
    if (!plan_.only_flags) lines.reserve(rows.size());
    std::size_t seen = 0;
    for (MessageRow& row : rows) {
      const auto sequence = view.uids.sequence_of(row.uid);
      if (!sequence || !engine::contains(selection_, *sequence)) continue;
      ++seen;
      if (!session_.keywords().know(row.keywords)) co_await session_.learn_keywords(row.keywords);
      if (plan_.only_flags) {
        write_flags(*sequence, row);
      } else {
        lines.push_back({*sequence, std::move(row)});
      }
    }
    gone_ = gone_ || (!command_.changed_since && seen < selected_in(window));
    if (!plan_.only_flags) KM_CO_CHECK(co_await write_lines(lines));
    co_return {};
  }

  [[nodiscard]] std::size_t selected_in(Windows::Window window) const noexcept {
    std::size_t total = 0;
    auto range = std::ranges::lower_bound(selection_, window.first, {}, &engine::NumberRange::last);
    for (; range != selection_.end() && range->first <= window.last; ++range) {
      total += std::min(range->last, window.last) - std::max(range->first, window.first) + 1;
    }
    return total;
  }

  void write_flags(Sequence sequence, const MessageRow& row) {
    session_.out().fetch_flags(sequence, plan_.uid ? std::optional(row.uid) : std::nullopt,
                               session_.keywords().flags(row.keywords, row.deleted),
                               plan_.modseq ? std::optional(row.modseq) : std::nullopt);
  }

  Task<Result<void>> write_lines(std::vector<Line>& lines) {
    std::vector<std::string> summaries;
    if (plan_.summary) {
      std::vector<mailstore::EmailId> emails;
      emails.reserve(lines.size());
      for (const Line& line : lines) emails.push_back(line.row.email);
      KM_CO_TRY(summaries, co_await session_.store().summaries(session_.account(), emails, session_.working()));
    }
    if (plan_.sets_seen && !session_.view()->read_only) co_await set_seen(lines);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      if (plan_.summary && summaries[i].empty()) {  // expunged meanwhile
        gone_ = true;
      } else if (plan_.message) {
        co_await write_with_message(lines[i], summaries[i]);
      } else {
        write_line(lines[i], plan_.summary ? std::string_view(summaries[i]) : std::string_view());
      }
      if (session_.output_full() && !co_await session_.flush()) break;
      if (session_.lost()) break;
    }
    co_return {};
  }

  // §6.4.5: fetching a body sets \Seen. That it cannot be set keeps nobody from reading.
  Task<void> set_seen(std::vector<Line>& lines) {
    std::vector<Uid> unseen;
    for (const Line& line : lines) {
      if (!line.row.keywords.has(mailstore::SystemKeyword::seen)) unseen.push_back(line.row.uid);
    }
    if (unseen.empty()) co_return;
    mailstore::FlagChange change;
    change.keywords.set(mailstore::SystemKeyword::seen);
    MailboxView& view = *session_.view();
    const auto done = co_await session_.store().change_flags(session_.account(), view.id, unseen, change, session_.working());
    if (!done) {
      session_.log_error("imap.fetch.failed", done.error());
      co_return;
    }
    if (!done->changed.empty()) view.took(done->modseq, done->before);
    for (const MessageRow& row : done->along) co_await session_.tell_flags(row);
    for (Line& line : lines) {
      const auto changed = std::ranges::lower_bound(done->changed, line.row.uid, {}, &MessageRow::uid);
      if (changed == done->changed.end() || changed->uid != line.row.uid) continue;
      line.row = *changed;
      line.newly_seen = true;
    }
  }

  Task<void> write_with_message(const Line& line, std::string_view encoded) {
    auto opened = co_await session_.store().open(session_.account(), line.row.email, session_.working());
    if (!opened) co_return missed(opened.error());
    MessageSource source(*std::move(opened));
    // The first step is made before anything is written, so that a message that cannot be read is left out as a whole.
    if (const auto first = co_await source.read(0, MessageSource::step_octets, session_.working()); !first) {
      co_return missed(first.error());
    }
    const mime::Summary summary(encoded);
    const auto parts = summary.parts();
    const Nul nul = summary.may_hold_nul() ? Nul::possible : Nul::none;
    session_.out().begin_fetch(line.sequence);
    for (const FetchItem& item : command_.items) {
      if (is_in_message(item.attribute)) {
        const SectionOutcome outcome = co_await write_section(session_, source, parts, item, nul);
        unknown_encoding_ = unknown_encoding_ || outcome == SectionOutcome::unknown_encoding;
        failed_ = failed_ || outcome == SectionOutcome::failed;
        if (session_.lost()) co_return;
      } else {
        write_item(item, line, summary, parts);
      }
    }
    end(line);
  }

  void missed(const Error& error) {
    if (error.kind() == ErrorKind::not_found) {
      gone_ = true;
    } else {
      session_.log_error("imap.fetch.failed", error);
      failed_ = true;
    }
  }

  void write_line(const Line& line, std::string_view encoded) {
    const mime::Summary summary(encoded);
    const auto parts = plan_.parts ? summary.parts() : std::vector<mime::SummaryPart>();
    session_.out().begin_fetch(line.sequence);
    for (const FetchItem& item : command_.items) write_item(item, line, summary, parts);
    end(line);
  }

  // Flags that the fetch itself has changed are told with it, UID and MODSEQ too once CONDSTORE is enabled (RFC 7162 §3.2.4).
  void end(const Line& line) {
    auto& out = session_.out();
    if (line.newly_seen && !plan_.flags) out.flags(session_.keywords().flags(line.row.keywords, line.row.deleted));
    if (line.newly_seen && !plan_.uid && session_.features().condstore) out.uid(line.row.uid);
    const bool modseq_asked = std::ranges::any_of(command_.items, [](const FetchItem& i) { return i.attribute == FetchAttribute::modseq; });
    if (!modseq_asked && (plan_.modseq || (line.newly_seen && session_.features().condstore))) out.modseq(line.row.modseq);
    out.end_fetch();
  }

  [[nodiscard]] static bool is_in_message(FetchAttribute attribute) noexcept {
    return attribute == FetchAttribute::section || attribute == FetchAttribute::binary ||
           attribute == FetchAttribute::binary_size;
  }

  void write_item(const FetchItem& item, const Line& line, const mime::Summary& summary,
                  std::span<const mime::SummaryPart> parts) {
    auto& out = session_.out();
    const MessageRow& row = line.row;
    switch (item.attribute) {
      case FetchAttribute::uid: return out.uid(row.uid);
      case FetchAttribute::flags: return out.flags(session_.keywords().flags(row.keywords, row.deleted));
      case FetchAttribute::internal_date: return out.internal_date(row.received);
      case FetchAttribute::rfc822_size: return out.rfc822_size(row.octets);
      case FetchAttribute::envelope: return out.envelope(summary.envelope());
      case FetchAttribute::modseq: return out.modseq(row.modseq);
      case FetchAttribute::email_id: return out.email_id(object_id(row.email));
      case FetchAttribute::thread_id: return out.thread_id(object_id(row.thread));
      case FetchAttribute::save_date: return out.save_date(row.saved);
      case FetchAttribute::preview: return out.preview(summary.preview());
      case FetchAttribute::body: return out.body(parts);
      case FetchAttribute::body_structure: return out.body_structure(parts);
      case FetchAttribute::section: case FetchAttribute::binary: case FetchAttribute::binary_size: return;
    }
  }

  Session& session_;
  const engine::Fetch& command_;
  const Selection& selection_;
  const Plan plan_;
  bool gone_ = false, failed_ = false, unknown_encoding_ = false;
};

// RFC 7162 §3.2.6: of the UIDs named, those that went since then. Clients name all by "1:*", and what went may have been the
// last: "*" is the highest UID that was ever given.
Task<Result<void>> write_vanished(Session& session, const engine::Fetch& command) {
  MailboxView& view = *session.view();
  if (command.set.saved_result) co_return {};
  KM_CO_TRY(const auto mailbox, co_await session.store().mailbox(session.account(), view.id, session.working()));
  const Uid last = mailbox.uid_next - 1;
  const auto named = command.set.resolve(last);
  auto gone = co_await session.store().expunged(session.account(), view.id, *command.changed_since, session.working());
  if (!gone && gone.error().kind() != ErrorKind::not_found) co_return std::unexpected(gone.error());
  std::vector<engine::NumberRange> ranges;
  if (gone) {
    std::erase_if(*gone, [&](Uid uid) { return !engine::contains(named, uid) || view.uids.contains(uid); });
    ranges = engine::to_ranges(*gone);
  } else {
    // Tombstones of that age are no more: whatever is named and not there may have gone since. What the client has not been
    // told of yet, arrivals and expunges, waits for its turn.
    KM_CO_TRY(const auto there, co_await session.store().uids(session.account(), view.id, session.working()));
    ranges = absent(UidList(there.uids), named, last);
    ranges = absent(view.uids, ranges, last);
  }
  session.out().vanished(ranges, engine::ResponseWriter::Vanished::earlier);
  co_return {};
}

}  // namespace

Task<Reply> execute(Session& session, engine::Fetch command) {
  const auto selection = select_messages(*session.view(), command.set, command.numbers);
  if (!selection) co_return bad("No message has such a number");
  if (command.vanished && command.changed_since) {
    const auto told = co_await write_vanished(session, command);
    if (!told) co_return reply_for(told.error());
  }
  Fetcher fetcher(session, command, *selection);
  co_return co_await fetcher.run();
}

}  // namespace keystonemail::service::imap
