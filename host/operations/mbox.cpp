// SPDX-License-Identifier: Apache-2.0
// Copyright the Keystone Mail authors
#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <utility>

#include "base/format.hpp"
#include "base/try.hpp"
#include "keystonemail/base/text.hpp"
#include "keystonemail/codec/hex.hpp"
#include "operations/mail_file.hpp"

namespace keystonemail::host {

namespace {

constexpr std::size_t line_octets_max = std::size_t{64} << 10;
constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> weekdays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

bool is_from(std::string_view line) {
  while (line.starts_with('>')) line.remove_prefix(1);
  return line.starts_with("From ");
}

// RFC 4155: the date in UTC, as asctime(3) has it.
std::string asctime(WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - day));
  return format("{} {} {:2} {:02}:{:02}:{:02} {:04}", weekdays[std::chrono::weekday(day).c_encoding()],
                months[static_cast<unsigned>(date.month()) - 1], static_cast<unsigned>(date.day()), clock.hours().count(),
                clock.minutes().count(), clock.seconds().count(), static_cast<int>(date.year()));
}

std::vector<std::string_view> words(std::string_view text) {
  std::vector<std::string_view> all;
  for (std::size_t at = 0; at < text.size();) {
    const auto begin = text.find_first_not_of(" \t\r\n", at);
    if (begin == std::string_view::npos) break;
    const auto end = std::min(text.find_first_of(" \t\r\n", begin), text.size());
    all.push_back(text.substr(begin, end - begin));
    at = end;
  }
  return all;
}

// The date at the end of a From line: "... Mon Nov 22 20:48:00 2026", a time zone after or before the year passed over.
std::optional<WallTime> parse_from_line(std::string_view line) {
  const auto all = words(line);
  for (std::size_t i = 2; i + 3 < all.size(); ++i) {
    const auto month = std::ranges::find(months, all[i]);
    if (month == months.end()) continue;
    const auto day = parse_decimal(all[i + 1], 31);
    const std::string_view clock = all[i + 2];
    const auto number = [&](std::size_t at) { return clock.size() == 8 ? parse_decimal(clock.substr(at, 2), 60) : std::nullopt; };
    const auto hour = number(0), minute = number(3), second = number(6);
    auto year = parse_decimal(all[i + 3], 9999);
    if (!year && i + 4 < all.size()) year = parse_decimal(all[i + 4], 9999);
    if (!day || !hour || !minute || !second || !year || *hour > 23 || *minute > 59) continue;
    const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(*year)),
                                           std::chrono::month(static_cast<unsigned>(month - months.begin()) + 1),
                                           std::chrono::day(static_cast<unsigned>(*day)));
    if (!date.ok()) continue;
    return WallTime(std::chrono::sys_days(date) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
                    std::chrono::seconds(*second));
  }
  return std::nullopt;
}

void take_mark(Marks& marks, std::string_view name, std::string_view value) {
  if (name == "X-Keywords") {
    for (const auto word : words(value)) marks.keywords.emplace_back(word);
    return;
  }
  for (const char c : value) {
    marks.seen |= c == 'R';
    marks.answered |= c == 'A';
    marks.flagged |= c == 'F';
    marks.draft |= c == 'T';
    marks.deleted |= c == 'D';
  }
}

// Reads the three fields we put first, each once and in that order, and takes them away. Another program's are read
// where they are and stay.
void take_marks(FileMessage& message) {
  constexpr std::array<std::string_view, 3> names{"Status", "X-Status", "X-Keywords"};
  std::size_t removed = 0;
  std::size_t next = 0;
  bool leading = true;
  for (std::size_t at = 0; at < message.text.size();) {
    const std::string_view rest = std::string_view(message.text).substr(at);
    const auto end = rest.find("\r\n");
    if (end == std::string_view::npos || end == 0) break;
    const std::string_view line = rest.substr(0, end);
    const auto name = std::ranges::find_if(names, [&](std::string_view n) { return line.starts_with(n) && line.substr(n.size()).starts_with(':'); });
    const auto place = static_cast<std::size_t>(name - names.begin());
    leading = leading && place < names.size() && place >= next;
    if (name != names.end()) take_mark(message.marks, *name, line.substr(name->size() + 1));
    at += end + 2;
    if (leading) removed = at, next = place + 1;
    if (leading && next == names.size()) break;  // ours are complete: what follows belongs to the message
  }
  message.text.erase(0, removed);
}

}  // namespace

void MboxWriter::begin(const Marks& marks) {
  std::string head = "From MAILER-DAEMON " + asctime(marks.received) + "\n";
  head += marks.seen ? "Status: RO\nX-Status: " : "Status: O\nX-Status: ";
  if (marks.answered) head += 'A';
  if (marks.flagged) head += 'F';
  if (marks.draft) head += 'T';
  if (marks.deleted) head += 'D';
  head += "\nX-Keywords:";
  for (const std::string& keyword : marks.keywords) head += " " + keyword;
  head += '\n';
  std::fwrite(head.data(), 1, head.size(), file_);
  at_line_start_ = true;
}

void MboxWriter::write(std::string_view piece) {
  while (!piece.empty()) {
    const auto end = piece.find('\n');
    if (end == std::string_view::npos) {
      line_.append(piece);
      if (line_.size() > line_octets_max) {
        const bool cr = line_.back() == '\r';  // of a line end, perhaps
        put_line(std::string_view(line_).substr(0, line_.size() - (cr ? 1 : 0)), false);
        line_ = cr ? "\r" : "";
      }
      return;
    }
    std::string_view line = piece.substr(0, end);
    if (!line_.empty()) line = line_.append(line);
    if (line.ends_with('\r')) line.remove_suffix(1);
    put_line(line, true);
    line_.clear();
    piece.remove_prefix(end + 1);
  }
}

void MboxWriter::end() {
  if (!line_.empty() || !at_line_start_) put_line(line_, true);
  line_.clear();
  std::fputc('\n', file_);
}

void MboxWriter::put_line(std::string_view line, bool whole) {
  if (at_line_start_ && is_from(line)) std::fputc('>', file_);
  std::fwrite(line.data(), 1, line.size(), file_);
  if (whole) std::fputc('\n', file_);
  at_line_start_ = whole;
}

MboxReader::MboxReader(std::string path, File file, std::uint64_t octets_max)
    : path_(std::move(path)), file_(std::move(file)), octets_max_(octets_max) {
  std::setvbuf(file_.get(), nullptr, _IONBF, 0);
}

// The next line, or 64 KiB of a longer one.
bool MboxReader::read_line() {
  line_begins_ = line_.empty() || line_.ends_with('\n');
  for (;;) {
    const std::string_view have(buffer_.data() + begin_, end_ - begin_);
    const auto end = have.find('\n');
    if (end != std::string_view::npos || have.size() == buffer_.size()) {
      line_ = have.substr(0, end == std::string_view::npos ? have.size() : end + 1);
      begin_ += line_.size();
      return true;
    }
    if (begin_ > 0) std::memmove(buffer_.data(), buffer_.data() + begin_, have.size());
    end_ -= begin_;
    begin_ = 0;
    const auto got = std::fread(buffer_.data() + end_, 1, buffer_.size() - end_, file_.get());
    end_ += got;
    if (got > 0) continue;
    line_ = {buffer_.data(), end_};  // the last line, without an end
    begin_ = end_;
    return !line_.empty();
  }
}

void MboxReader::take_line(FileMessage& message) {
  std::string_view line = line_;
  if (line_begins_ && line.starts_with('>') && is_from(line)) line.remove_prefix(1);
  if (message.text.size() + line.size() + 1 > octets_max_ + 4096) message.too_large = true;
  if (message.too_large) return;
  if (crlf_ || !line.ends_with('\n')) {
    message.text.append(line);
  } else {
    message.text.append(line.substr(0, line.size() - 1)).append("\r\n");
  }
}

Result<std::optional<FileMessage>> MboxReader::next() {
  if (!has_line_) has_line_ = read_line();
  while (has_line_ && number_ == 0 && trim(line_).empty()) has_line_ = read_line();  // LENIENT: empty lines at the top
  if (std::ferror(file_.get()) != 0) return fail(ErrorKind::unavailable, path_ + ": cannot be read");
  if (!has_line_) return std::optional<FileMessage>();
  if (!line_.starts_with("From ")) return fail(ErrorKind::invalid, path_ + ": not an mbox: no line \"From \" where one must be");
  FileMessage message;
  message.name = format("{} message {}", path_, ++number_);
  crlf_ = line_.ends_with("\r\n");
  message.marks.received = parse_from_line(line_).value_or(WallTime{});
  bool after_empty = false;
  for (has_line_ = read_line(); has_line_; has_line_ = read_line()) {
    if (line_begins_ && after_empty && line_.starts_with("From ")) break;
    take_line(message);
    after_empty = line_begins_ && (line_ == "\n" || line_ == "\r\n");
  }
  if (std::ferror(file_.get()) != 0) return fail(ErrorKind::unavailable, path_ + ": cannot be read");
  if (after_empty && message.text.ends_with("\r\n")) message.text.resize(message.text.size() - 2);  // it parts messages
  take_marks(message);
  if (message.text.size() > octets_max_) message.too_large = true;
  return std::optional<FileMessage>(std::move(message));
}

std::string mbox_file_name(std::string_view mailbox) {
  std::string out;
  bool level_start = true;
  for (const char c : mailbox) {
    const auto octet = static_cast<unsigned char>(c);
    if (octet < 0x20 || octet == 0x7F || c == '%' || (c == '.' && level_start)) format_to(out, "%{:02X}", octet);
    else out += c;
    level_start = c == '/';
  }
  return out;
}

std::string mailbox_of_file_name(std::string_view name) {
  std::string out;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const auto octet = name[i] == '%' && i + 2 < name.size() ? codec::decode_hex(name.substr(i + 1, 2)) : std::nullopt;
    out += octet ? *octet : std::string(1, name[i]);
    if (octet) i += 2;
  }
  return out;
}

}  // namespace keystonemail::host
