// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include "keystonemail/imap/response.hpp"

#include <array>
#include <cassert>
#include <cstring>

#include "imap/wire.hpp"
#include "keystonemail/mime/date.hpp"

namespace keystonemail::imap {
namespace {

std::string_view name_of(StatusKind kind) noexcept {
  switch (kind) {
    case StatusKind::ok: return "OK";
    case StatusKind::no: return "NO";
    case StatusKind::bad: return "BAD";
  }
  return {};
}

std::string_view name_of(SpecialUse use) noexcept {
  switch (use) {
    case SpecialUse::all: return "\\All";
    case SpecialUse::archive: return "\\Archive";
    case SpecialUse::drafts: return "\\Drafts";
    case SpecialUse::flagged: return "\\Flagged";
    case SpecialUse::junk: return "\\Junk";
    case SpecialUse::sent: return "\\Sent";
    case SpecialUse::trash: return "\\Trash";
    case SpecialUse::important: return "\\Important";
  }
  return {};
}

// In the order of MailboxAttribute's bits.
constexpr std::array<std::string_view, 9> attribute_names{
    "\\Noinferiors", "\\Noselect", "\\NonExistent", "\\HasChildren", "\\HasNoChildren",
    "\\Subscribed", "\\Remote", "\\Marked", "\\Unmarked"};

void append_separator(std::string& out, char separator) {
  if (separator == 0) {
    out += "NIL";
    return;
  }
  out += '"';
  if (separator == '"' || separator == '\\') out += '\\';
  out += separator;
  out += '"';
}

void append_numbers(std::string& out, std::span<const NumberRange> ranges) {
  for (const auto& range : ranges) {
    for (std::uint64_t number = range.first; number <= range.last; ++number) {
      out += ' ';
      append_number(out, number);
    }
  }
}

std::uint64_t count(std::span<const NumberRange> ranges) noexcept {
  std::uint64_t total = 0;
  for (const auto& range : ranges) total += std::uint64_t{range.last} - range.first + 1;
  return total;
}

// RFC 9051 §7.3.4, RFC 4731 §3.1.
void append_esearch_data(std::string& out, const SearchResult& result, bool all) {
  const bool any = !result.numbers.empty();
  if (result.give.min && any) {
    out += " MIN ";
    append_number(out, result.numbers.front().first);
  }
  if (result.give.max && any) {
    out += " MAX ";
    append_number(out, result.numbers.back().last);
  }
  if (all && any) {
    out += " ALL ";
    append_ranges(out, result.numbers);
  }
  if (result.give.count) {
    out += " COUNT ";
    append_number(out, count(result.numbers));
  }
  if (result.highest_modseq && any) {
    out += " MODSEQ ";
    append_number(out, *result.highest_modseq);
  }
}

}  // namespace

void ResponseWriter::status(StatusKind kind, const ResponseCode& code, std::string_view text) {
  assert(!in_fetch_);
  out_.append("* ").append(name_of(kind)) += ' ';
  if (!code.text().empty()) out_.append("[").append(code.text()).append("] ");
  append_text(out_, text, features_);
  out_ += "\r\n";
}

void ResponseWriter::flags_defined(FlagView flags) {
  assert(!in_fetch_);
  out_ += "* FLAGS (";
  append_flags(out_, flags, features_);
  out_ += ")\r\n";
}

void ResponseWriter::exists(std::uint32_t messages) {
  assert(!in_fetch_);
  out_ += "* ";
  append_number(out_, messages);
  out_ += " EXISTS\r\n";
}

void ResponseWriter::recent(std::uint32_t messages) {
  assert(!in_fetch_);
  if (features_.imap4rev2) return;  // RFC 9051 appendix A
  out_ += "* ";
  append_number(out_, messages);
  out_ += " RECENT\r\n";
}

void ResponseWriter::expunge(std::uint32_t sequence_number) {
  assert(!in_fetch_ && sequence_number > 0);
  out_ += "* ";
  append_number(out_, sequence_number);
  out_ += " EXPUNGE\r\n";
}

void ResponseWriter::vanished(std::span<const NumberRange> uids, Vanished when) {
  assert(!in_fetch_);
  if (uids.empty()) return;
  out_ += when == Vanished::earlier ? "* VANISHED (EARLIER) " : "* VANISHED ";
  append_ranges(out_, uids);
  out_ += "\r\n";
}

void ResponseWriter::mailbox(std::string_view utf8) { append_mailbox(out_, utf8, features_); }

void ResponseWriter::list_line(std::string_view verb, const ListEntry& entry) {
  assert(!in_fetch_);
  out_.append("* ").append(verb).append(" (");
  const auto begin = out_.size();
  const auto attribute = [&](std::string_view name) {
    if (out_.size() > begin) out_ += ' ';
    out_.append(name);
  };
  for (std::size_t bit = 0; bit < attribute_names.size(); ++bit) {
    if ((entry.attributes >> bit & 1U) != 0) attribute(attribute_names[bit]);
  }
  for (const auto use : entry.special_uses) attribute(name_of(use));
  out_ += ") ";
  append_separator(out_, entry.separator);
  out_ += ' ';
  mailbox(entry.mailbox);
  if (entry.child_info_subscribed || entry.old_name) {
    out_ += " (";
    if (entry.child_info_subscribed) out_ += "\"CHILDINFO\" (\"SUBSCRIBED\")";
    if (entry.old_name) {
      out_ += entry.child_info_subscribed ? " \"OLDNAME\" (" : "\"OLDNAME\" (";
      mailbox(*entry.old_name);
      out_ += ')';
    }
    out_ += ')';
  }
  out_ += "\r\n";
}

void ResponseWriter::list(const ListEntry& entry) { list_line("LIST", entry); }
void ResponseWriter::lsub(const ListEntry& entry) { list_line("LSUB", entry); }

void ResponseWriter::status_data(std::string_view name, const StatusData& data) {
  assert(!in_fetch_);
  out_ += "* STATUS ";
  mailbox(name);
  out_ += " (";
  const auto begin = out_.size();
  const auto label = [&](std::string_view text) {
    if (out_.size() > begin) out_ += ' ';
    out_.append(text) += ' ';
  };
  const auto number = [&](std::string_view text, const auto& value) {
    if (!value) return;
    label(text);
    append_number(out_, *value);
  };
  number("MESSAGES", data.messages);
  number("RECENT", data.recent);
  number("UIDNEXT", data.uid_next);
  number("UIDVALIDITY", data.uid_validity);
  number("UNSEEN", data.unseen);
  number("DELETED", data.deleted);
  number("SIZE", data.size);
  number("DELETED-STORAGE", data.deleted_storage);
  number("HIGHESTMODSEQ", data.highest_modseq);
  number("APPENDLIMIT", data.append_limit);
  if (data.mailbox_id) {
    label("MAILBOXID");
    out_.append("(").append(*data.mailbox_id).append(")");
  }
  out_ += ")\r\n";
}

void ResponseWriter::personal_namespace(std::string_view prefix, char separator) {
  assert(!in_fetch_);
  out_ += "* NAMESPACE ((";
  append_string(out_, prefix, features_);
  out_ += ' ';
  append_separator(out_, separator);
  out_ += ")) NIL NIL\r\n";
}

void ResponseWriter::id(std::span<const std::pair<std::string_view, std::string_view>> fields) {
  assert(!in_fetch_);
  out_ += "* ID ";
  std::string_view separator = "(";
  for (const auto& [name, value] : fields) {
    out_.append(separator);
    append_string(out_, name, features_);
    out_ += ' ';
    append_string(out_, value, features_);
    separator = " ";
  }
  out_ += fields.empty() ? "NIL\r\n" : ")\r\n";
}

void ResponseWriter::search(std::string_view tag, const SearchResult& result) {
  assert(!in_fetch_);
  const auto& give = result.give;
  if (!give.given && !features_.imap4rev2) {
    out_ += "* SEARCH";
    append_numbers(out_, result.numbers);
    if (result.highest_modseq && !result.numbers.empty()) {  // RFC 7162 §3.1.5
      out_ += " (MODSEQ ";
      append_number(out_, *result.highest_modseq);
      out_ += ')';
    }
    out_ += "\r\n";
    return;
  }
  // RFC 5182 §2.1: SAVE alone asks for no data.
  if (give.given && !give.min && !give.max && !give.all && !give.count) return;
  out_ += "* ESEARCH (TAG \"";
  out_.append(tag).append("\")");
  if (result.kind == NumberKind::uid) out_ += " UID";
  append_esearch_data(out_, result, give.all || !give.given);
  out_ += "\r\n";
}

void ResponseWriter::sort(std::span<const std::uint32_t> numbers, std::optional<std::uint64_t> highest_modseq) {
  assert(!in_fetch_);
  out_ += "* SORT";
  for (const auto number : numbers) {
    out_ += ' ';
    append_number(out_, number);
  }
  if (highest_modseq && !numbers.empty()) {
    out_ += " (MODSEQ ";
    append_number(out_, *highest_modseq);
    out_ += ')';
  }
  out_ += "\r\n";
}

void ResponseWriter::thread(std::string_view threads) {
  assert(!in_fetch_);
  out_ += "* THREAD";
  if (!threads.empty()) out_.append(" ").append(threads);
  out_ += "\r\n";
}

void ResponseWriter::quota(std::string_view root, std::span<const QuotaResource> resources) {
  assert(!in_fetch_);
  out_ += "* QUOTA ";
  append_astring(out_, root, features_);
  out_ += " (";
  for (std::size_t i = 0; i < resources.size(); ++i) {
    if (i > 0) out_ += ' ';
    out_.append(resources[i].name) += ' ';
    append_number(out_, resources[i].used);
    out_ += ' ';
    append_number(out_, resources[i].limit);
  }
  out_ += ")\r\n";
}

void ResponseWriter::quota_root(std::string_view name, std::span<const std::string_view> roots) {
  assert(!in_fetch_);
  out_ += "* QUOTAROOT ";
  mailbox(name);
  for (const auto root : roots) {
    out_ += ' ';
    append_astring(out_, root, features_);
  }
  out_ += "\r\n";
}

}  // namespace keystonemail::imap
